"""What of a picture's ink is a digit: each form beside a digit that looks much like it."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mnistladder.data import lines, parts, surface


def ink(*shapes):
    """A mask of 240 x 180 with shapes: a name of ImageDraw's, points, and options."""
    image = Image.new("L", (240, 180))
    draw = ImageDraw.Draw(image)
    for name, points, options in shapes:
        getattr(draw, name)(points, **options)
    return np.asarray(image) > 0


def line(*points, width=6):
    return "line", points, {"fill": 255, "width": width}


def ring(left, top, right, bottom, width=6):
    return "ellipse", (left, top, right, bottom), {"outline": 255, "width": width}


def box(left, top, right, bottom, width=4):
    return "rectangle", (left, top, right, bottom), {"outline": 255, "width": width}


ZERO = ring(90, 60, 130, 120)
ONE = line((110, 60), (106, 120), width=8)
SEVEN = line((80, 60), (120, 60), (100, 120))


@pytest.mark.parametrize("digit", [ZERO, ONE, SEVEN])
@pytest.mark.parametrize(
    "form",
    [
        box(60, 40, 160, 140),
        ring(50, 30, 170, 150),
        line((60, 135), (170, 137)),
        line((10, 0), (14, 180), width=3),
        line((0, 20), (240, 22), width=3),
    ],
)
def test_form_around_a_digit_is_left_out(digit, form):
    [found] = parts.digits(ink(digit, form))
    assert np.array_equal(found, ink(digit))


@pytest.mark.parametrize(
    "forms",
    [
        [box(60, 40, 130, 140)],
        [box(60, 40, 110, 90), box(106, 40, 156, 90)],
        [line((60, 100), (150, 102))],
        [line((0, y), (240, y), width=3) for y in range(20, 180, 40)],
        [line((0, y), (240, y), width=3) for y in range(20, 180, 40)]
        + [line((x, 0), (x, 180), width=3) for x in range(20, 240, 40)],
    ],
)
def test_empty_form_is_no_digit(forms):
    assert parts.digits(ink(*forms)) == []


def test_digits_come_left_to_right_and_line_by_line():
    first, second = ring(20, 20, 50, 70), line((100, 25), (98, 72), width=8)
    third = line((30, 100), (60, 100), (45, 150))
    found = parts.digits(ink(third, second, first))
    for mask, shape in zip(found, (first, second, third), strict=True):
        assert np.array_equal(mask, ink(shape))


def test_bar_of_a_five_stays_and_a_mark_far_off_goes():
    five = line((90, 70), (88, 90), (115, 100), (110, 125), (85, 128))
    bar, mark = line((94, 60), (125, 60)), line((200, 20), (203, 24), width=4)
    [found] = parts.digits(ink(five, bar, mark))
    assert np.array_equal(found, ink(five, bar))


def test_digit_too_wide_is_unclear_rather_than_guessed():
    assert parts.digits(ink(line((20, 90), (60, 70), (100, 95), (150, 80), (200, 100)))) == []


def test_line_that_a_digit_stands_on_goes_and_the_foot_of_a_two_stays():
    two = line((90, 70), (110, 60), (125, 75), (90, 120), (130, 120), width=5)
    [underlined] = parts.digits(ink(ONE, line((60, 122), (160, 124), width=5)))
    assert underlined[:118].sum() == ink(ONE)[:118].sum()
    assert not underlined[:, :90].any()
    [foot] = parts.digits(ink(two))
    assert np.array_equal(foot, ink(two))


@pytest.mark.parametrize(("shape", "lies"), [(line((20, 90), (200, 95)), True), (ONE, False)])
def test_line_lies_or_stands(shape, lies):
    assert lines.of(ink(shape)).lies == lies


def page(mask, ground, dark):
    return np.where(mask, dark, ground).astype(float)


def test_sheet_on_a_table_is_a_surface_and_a_round_blob_is_none():
    whole = ink(("rectangle", (50, 30, 190, 150), {"fill": 255}))
    sheet = page(whole & ~ink(ONE), 0.3, 0.9)
    region = surface.find(sheet)
    assert np.count_nonzero(region ^ whole) < 0.05 * np.count_nonzero(whole)
    blob = ink(("ellipse", (50, 30, 190, 150), {"fill": 255}))
    assert surface.find(page(blob & ~ink(ONE), 0.3, 0.9)) is None
    assert surface.find(page(ink(ONE), 0.9, 0.2)) is None


def test_surface_in_a_surface_is_found():
    bars = np.ones((200, 320), bool)
    bars[:, 40:280] = False
    inside = np.full((200, 320), 0.3)
    inside[40:160, 90:230] = 0.9
    inside[80:120, 150:158] = 0.2
    inside[bars] = 1.0
    found = surface.innermost(inside)
    assert found.max() - np.median(found) < 0.1
    assert found.min() == pytest.approx(0.2)
