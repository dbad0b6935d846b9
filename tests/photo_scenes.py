"""Synthetic photos of handwritten digits: what people write on, with, around, and in which light.

A scene draws one picture from digits of 28 x 28 pixels. It uses no code of the finder.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

HEIGHT, WIDTH = 480, 640
Random = np.random.Generator


class Scene(NamedTuple):
    """How a picture is drawn, and how many digits it shows."""

    draw: Callable[[Random, Sequence[np.ndarray]], np.ndarray]  # brightness, or red, green, blue
    digits: int


def written(random, digit, side=None, turn=6.0):
    """Ink from 0 to 1 of a digit, cut out at its edges, its longer side `side` pixels."""
    side = side or int(random.integers(140, 230))
    rows, columns = (np.flatnonzero((digit > 60).any(axis=axis)) for axis in (1, 0))
    part = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = side / max(part.shape)
    size = (max(6, round(part.shape[1] * scale)), max(6, round(part.shape[0] * scale)))
    image = Image.fromarray(np.pad(part, 1)).resize(size, Image.Resampling.BICUBIC)
    image = image.rotate(random.uniform(-turn, turn), Image.Resampling.BICUBIC, expand=True)
    return np.clip((np.asarray(image) / 255 - 0.25) / 0.5, 0, 1)


def place(random, ink, height=HEIGHT, width=WIDTH, margin=60):
    """The ink somewhere on an empty page, and its box: left, top, right, bottom."""
    rooms = (height - ink.shape[0], width - ink.shape[1])
    inset = [min(margin, room // 2) for room in rooms]
    top, left = (
        int(random.integers(i, room - i + 1)) for i, room in zip(inset, rooms, strict=True)
    )
    page = np.zeros((height, width))
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page, (left, top, left + ink.shape[1], top + ink.shape[0])


def drawn(paint, height=HEIGHT, width=WIDTH):
    """Ink from 0 to 1 of lines; `paint` is called with a drawing of twice the size."""
    image = Image.new("L", (2 * width, 2 * height))
    paint(ImageDraw.Draw(image))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX)) / 255


def lines(points, width, closed=False):
    """Ink of a line through points."""
    points = [(2 * x, 2 * y) for x, y in (points + points[:1] if closed else points)]
    return drawn(lambda draw: draw.line(points, 255, 2 * width, joint="curve"))


def on_paper(random, ink, paper=None, dark=None, noise=0.015):
    """Ink on paper in light that falls unevenly a little."""
    paper = random.uniform(0.8, 0.95) if paper is None else paper
    dark = random.uniform(0.08, 0.25) if dark is None else dark
    y, x = np.mgrid[-1 : 1 : ink.shape[0] * 1j, -1 : 1 : ink.shape[1] * 1j]
    light = 1 + random.uniform(-0.06, 0.06) * x + random.uniform(-0.06, 0.06) * y
    return (paper + (dark - paper) * ink) * light + random.normal(0, noise, ink.shape)


def plain(random, digits):
    return on_paper(random, place(random, written(random, digits[0]))[0])


def pencil(random, digits):
    return on_paper(random, place(random, written(random, digits[0]))[0], 0.9, 0.6)


def corner(random, digits):
    ink = written(random, digits[0], 90)
    page = np.zeros((HEIGHT, WIDTH))
    page[12 : 12 + ink.shape[0], WIDTH - 12 - ink.shape[1] : WIDTH - 12] = ink
    return on_paper(random, page)


def shadow(random, digits):
    page = on_paper(random, place(random, written(random, digits[0]))[0])
    x = np.linspace(0, 1, WIDTH)
    return page * (1 - 0.45 / (1 + np.exp(random.uniform(30, 60) * (random.uniform(0.1, 0.3) - x))))


def chalk(random, digits):
    ink = place(random, written(random, digits[0]))[0]
    return on_paper(random, ink * random.uniform(0.7, 1, ink.shape), 0.2, 0.85, 0.03)


def paint(random, digits):
    ink = place(random, written(random, digits[0]))[0] > 0.5
    return ink.astype(float) if random.random() < 0.5 else 1.0 - ink


def tight(random, digits):
    return on_paper(random, written(random, digits[0]))


def rules(random, gap, strength, both=False):
    """Ink of parallel lines, a little tilted; with `both` of squares."""
    tilt, first = random.uniform(-0.02, 0.02), random.integers(0, gap)
    page = np.zeros((HEIGHT, WIDTH))
    for at in range(int(first) - gap, HEIGHT + gap, gap):
        page = np.maximum(page, lines([(-9, at), (WIDTH + 9, at + tilt * WIDTH)], 2))
    if both:
        for at in range(int(first) - gap, WIDTH + gap, gap):
            page = np.maximum(page, lines([(at, -9), (at - tilt * HEIGHT, HEIGHT + 9)], 2))
    return strength * page


def ruled(random, digits):
    ink = place(random, written(random, digits[0]))[0]
    return on_paper(random, np.maximum(ink, rules(random, 70, 0.35)))


def squared(random, digits):
    ink = place(random, written(random, digits[0]))[0]
    return on_paper(random, np.maximum(ink, rules(random, 40, 0.3, True)))


def frame(random, box, gap, width):
    """Ink of a box around a box, turned a little."""
    left, top, right, bottom = box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    half = np.array([(right - left) / 2, (bottom - top) / 2]) + gap
    angle = random.uniform(-0.06, 0.06)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = [middle + turn @ (half * sign) for sign in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return lines([tuple(corner) for corner in corners], width, closed=True)


def boxed(random, digits):
    ink, box = place(random, written(random, digits[0]), margin=90)
    width = int(random.integers(3, 14))
    return on_paper(random, np.maximum(ink, frame(random, box, random.uniform(25, 60), width)))


def circled(random, digits):
    ink, (left, top, right, bottom) = place(random, written(random, digits[0], 150), margin=120)
    x, y = (left + right) / 2, (top + bottom) / 2
    radius = np.hypot(right - left, bottom - top) / 2 + random.uniform(15, 35)
    angles = np.linspace(0, 2 * np.pi, 60) + random.uniform(0, 6)
    stretch = random.uniform(0.95, 1.1)
    ring = [(x + stretch * radius * np.cos(a), y + radius * np.sin(a)) for a in angles]
    return on_paper(random, np.maximum(ink, lines(ring, int(random.integers(4, 12)))))


def under(random, box, gap, width=None):
    """Ink of a line drawn below a box."""
    left, _, right, bottom = box
    sides = random.uniform(15, 60, 2)
    ends = [
        (left - sides[0], bottom + gap),
        (right + sides[1], bottom + gap + random.uniform(-6, 6)),
    ]
    return lines(ends, width or int(random.integers(5, 14)))


def underlined(random, digits):
    ink, box = place(random, written(random, digits[0]), margin=70)
    return on_paper(random, np.maximum(ink, under(random, box, random.uniform(18, 40))))


def underlined_twice(random, digits):
    ink, box = place(random, written(random, digits[0], 160), margin=80)
    both = np.maximum(under(random, box, 20, 6), under(random, box, 45, 6))
    return on_paper(random, np.maximum(ink, both))


def underline_touches(random, digits):
    ink, box = place(random, written(random, digits[0]), margin=70)
    return on_paper(random, np.maximum(ink, under(random, box, 0, 7)))


def sheet_of(random, turn=12):
    """1 where a sheet lies on a table, else 0."""
    height, width = random.uniform(0.3, 0.38) * HEIGHT, random.uniform(0.3, 0.38) * WIDTH
    angle = np.radians(random.uniform(-turn, turn))
    y, x = np.mgrid[:HEIGHT, :WIDTH] - np.array([HEIGHT / 2, WIDTH / 2])[:, None, None]
    x, y = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return ndimage.gaussian_filter((np.abs(x) < width) & (np.abs(y) < height), 0.7, output=float)


def on_table(random, page, table, turn=12):
    sheet = sheet_of(random, turn)
    return page * sheet + on_paper(random, np.zeros_like(sheet), table, 0, 0.03) * (1 - sheet)


def sheet(random, digits):
    ink = place(random, written(random, digits[0], 130), margin=165)[0]
    return on_table(random, on_paper(random, ink, 0.92), random.uniform(0.3, 0.6))


def sheet_on_black(random, digits):
    ink = place(random, written(random, digits[0], 130), margin=165)[0]
    return on_table(random, on_paper(random, ink, 0.9), random.uniform(0.05, 0.2))


def slate(random, digits):
    """Chalk on a slate that lies on a light table."""
    ink = place(random, written(random, digits[0], 130), margin=165)[0]
    return on_table(random, on_paper(random, ink, 0.2, 0.9), random.uniform(0.6, 0.8))


def cut_sheet(random, digits):
    """A sheet that leaves the picture at two sides."""
    ink = place(random, written(random, digits[0], 140), margin=140)[0]
    page = on_paper(random, ink, 0.92)
    table = on_paper(random, np.zeros_like(ink), random.uniform(0.2, 0.5), 0, 0.03)
    tilt = np.arange(HEIGHT)[:, None] * random.uniform(-0.1, 0.1) + np.arange(WIDTH)
    below = np.arange(HEIGHT)[:, None] < HEIGHT - random.integers(30, 80)
    return np.where((tilt > random.integers(60, 110)) & below, page, table)


def bars(random, digits):
    """Dark bars at the left and the right."""
    page = on_paper(random, place(random, written(random, digits[0]), margin=120)[0])
    wide = random.integers(30, 110)
    page[:, :wide] = page[:, -wide:] = 0.03
    return page


def bars_above_and_below(random, digits):
    page = on_paper(random, place(random, written(random, digits[0], 150), margin=120)[0])
    high = random.integers(30, 100)
    page[:high] = page[-high:] = random.choice([0.0, 0.3])
    return page


def light_bars(random, digits):
    """A white margin around a blackboard."""
    page = chalk(random, digits)
    wide = random.integers(20, 50)
    page[:, :wide] = page[:, -wide:] = page[:wide] = page[-wide:] = 1
    return page


def in_colours(random, ink, pen, paper):
    colours = paper + ink[..., None] * (np.subtract(pen, paper))
    return colours + random.normal(0, 0.012, colours.shape)


def red_on_green(random, digits):
    """Both of the same brightness."""
    ink = place(random, written(random, digits[0]))[0]
    return in_colours(random, ink, (0.9, 0.2, 0.2), (0.2, 0.558, 0.2))


def blue_on_orange(random, digits):
    ink = place(random, written(random, digits[0]))[0]
    return in_colours(random, ink, (0.35, 0.5, 1.0), (0.85, 0.425, 0.1))


def blue_pen(random, digits):
    ink = place(random, written(random, digits[0]))[0]
    return in_colours(random, ink, (0.15, 0.2, 0.7), (0.93, 0.92, 0.86))


def marker(random, digits):
    ink = written(random, digits[0], 200)
    ink = ndimage.grey_dilation(np.pad(ink, 10), (11, 11))
    return on_paper(random, place(random, ink)[0])


def hairline(random, digits):
    side = int(random.integers(150, 250))
    ink = written(random, digits[0], side) > 0.5
    thin = ndimage.binary_dilation(skeleton(np.pad(ink, 2)), np.ones((2, 2)))
    return on_paper(random, place(random, thin.astype(float))[0])


def skeleton(mask):
    """The middle line of strokes (Zhang and Suen 1984)."""
    mask = mask.copy()
    while True:
        before = int(mask.sum())
        for first, second in (((0, 2, 4), (2, 4, 6)), ((0, 2, 6), (0, 4, 6))):
            around = [
                np.roll(mask, (-down, -right), (0, 1))
                for down, right in (
                    (-1, 0),
                    (-1, 1),
                    (0, 1),
                    (1, 1),
                    (1, 0),
                    (1, -1),
                    (0, -1),
                    (-1, -1),
                )
            ]
            count = sum(part.astype(int) for part in around)
            changes = sum((~around[i] & around[(i + 1) % 8]).astype(int) for i in range(8))
            keep = [np.logical_and.reduce([around[i] for i in three]) for three in (first, second)]
            mask &= ~((count >= 2) & (count <= 6) & (changes == 1) & ~keep[0] & ~keep[1])
        if int(mask.sum()) == before:
            return mask


def small_picture(random, digits):
    """A thumbnail."""
    page = plain(random, digits)
    size = (80, 60)
    return np.asarray(Image.fromarray(page.astype(np.float32)).resize(size, Image.Resampling.BOX))


def vignette(random, digits):
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return plain(random, digits) * (1 - 0.3 * (x * x + y * y))


def cell(random, digits):
    """One cell of a form's row of boxes is filled."""
    ink, (left, top, right, bottom) = place(random, written(random, digits[0], 110), margin=180)
    side = 150
    x, y = (left + right) / 2 - side / 2, (top + bottom) / 2 - side / 2
    x -= side * random.integers(0, 3)
    return on_paper(random, np.maximum(ink, cells(x, y, side, 4, 3)))


def cells(x, y, side, count, width):
    """Ink of boxes in a row."""
    page = lines(
        [(x, y), (x + count * side, y), (x + count * side, y + side), (x, y + side)], width, True
    )
    for number in range(1, count):
        page = np.maximum(
            page, lines([(x + number * side, y), (x + number * side, y + side)], width)
        )
    return page


def margin_line(random, digits):
    """An exercise book's ruled page with a line along its margin."""
    ink = place(random, written(random, digits[0], 150), margin=130)[0]
    at = float(random.integers(40, 100))
    page = np.maximum(rules(random, 60, 0.4), lines([(at, -9), (at + 5, HEIGHT + 9)], 4))
    return on_paper(random, np.maximum(ink, page))


def several(random, digits, side=None, gap=None):
    """Ink of digits side by side."""
    side = side or int(random.integers(90, 130))
    parts = [written(random, digit, side + int(random.integers(-10, 10))) for digit in digits]
    gaps = [int(random.integers(25, 60)) if gap is None else gap for _ in parts]
    page = np.zeros(
        (max(part.shape[0] for part in parts) + 20, sum(gaps) + sum(p.shape[1] for p in parts))
    )
    left = 0
    for part, space in zip(parts, gaps, strict=True):
        top = int(random.integers(0, page.shape[0] - part.shape[0] + 1))
        page[top : top + part.shape[0], left : left + part.shape[1]] = part
        left += part.shape[1] + space
    return page[:, : left - gaps[-1]]


def side_by_side(random, digits):
    return on_paper(random, place(random, several(random, digits), margin=20)[0])


def several_underlined(random, digits):
    ink, box = place(random, several(random, digits), margin=50)
    return on_paper(random, np.maximum(ink, under(random, box, 25, 6)))


def several_boxed(random, digits):
    ink, box = place(random, several(random, digits, 110), margin=70)
    return on_paper(random, np.maximum(ink, frame(random, box, 30, 5)))


def cells_filled(random, digits):
    """Each box of a form's row holds a digit."""
    page, side = np.zeros((HEIGHT, WIDTH)), 150
    x, y = int(random.integers(20, WIDTH - side * len(digits) - 20)), int(random.integers(100, 250))
    for number, digit in enumerate(digits):
        ink = written(random, digit, 100)
        top, left = y + (side - ink.shape[0]) // 2, x + number * side + (side - ink.shape[1]) // 2
        page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return on_paper(random, np.maximum(page, cells(x, y, side, len(digits), 4)))


def empty_page(random, _):
    return on_paper(random, np.zeros((HEIGHT, WIDTH)))


def empty_box(random, _):
    size = random.integers(60, 320, 2)
    left, top = random.integers(40, 120, 2)
    return on_paper(
        random, frame(random, (left, top, left + size[0], top + size[1]), 0, random.integers(3, 14))
    )


def empty_cells(random, _):
    count = int(random.integers(2, 6))
    side = int(random.integers(60, 500 // count))
    return on_paper(
        random, cells(random.integers(30, 100), random.integers(40, 200), side, count, 4)
    )


def empty_grid(random, _):
    return on_paper(
        random, rules(random, int(random.integers(30, 90)), random.uniform(0.4, 1), True)
    )


def empty_ruled(random, _):
    return on_paper(random, rules(random, int(random.integers(30, 90)), random.uniform(0.4, 1)))


def empty_table(random, _):
    """A table of three by three, all of it in the picture."""
    x, y = random.integers(40, 120, 2)
    side = int(random.integers(60, 110))
    page = np.zeros((HEIGHT, WIDTH))
    for row in range(3):
        page = np.maximum(page, cells(x, y + row * side, side, 3, 4))
    return on_paper(random, page)


def empty_sheet(random, _):
    return on_table(random, empty_page(random, _), random.uniform(0.2, 0.6))


def lone_line(random, _):
    left, top = random.integers(60, 250, 2)
    return on_paper(random, under(random, (left, top, left + random.integers(80, 250), top), 0))


WORKED = (plain, ruled, squared, pencil, corner, shadow, chalk, paint, tight)
ONE = (
    *WORKED,
    boxed,
    circled,
    underlined,
    underlined_twice,
    underline_touches,
    sheet,
    sheet_on_black,
    slate,
    cut_sheet,
    bars,
    bars_above_and_below,
    light_bars,
    red_on_green,
    blue_on_orange,
    blue_pen,
    marker,
    hairline,
    small_picture,
    vignette,
    cell,
    margin_line,
)
SEVERAL = (side_by_side, several_underlined, several_boxed, cells_filled)
EMPTY = (
    empty_page,
    empty_box,
    empty_cells,
    empty_grid,
    empty_ruled,
    empty_table,
    empty_sheet,
    lone_line,
)
SCENES = {
    draw.__name__: Scene(draw, count)
    for draws, count in ((ONE, 1), (SEVERAL, 3), (EMPTY, 0))
    for draw in draws
}


def picture(kind, seed, digits):
    """An 8-bit image of a kind, of as many of the digits as it shows; the same for a seed."""
    scene = SCENES[kind]
    values = scene.draw(np.random.default_rng(seed), digits[: scene.digits])
    return Image.fromarray(np.round(255 * np.clip(values, 0, 1)).astype(np.uint8))
