"""Connected parts of ink: which are digits, and which are frames, lines, specks and empty forms."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from mnistladder.data import lines, surface
from mnistladder.data.pixels import Mask, box

MOST_PARTS = 60  # the largest ones are looked at
MOST_DIGITS = 12  # more are text, or a pattern
EIGHT = np.ones((3, 3))


@dataclass(frozen=True, eq=False)
class Part:
    """One connected part of the ink, in a mask of the whole picture."""

    mask: Mask

    @cached_property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        return box(self.mask)

    @cached_property
    def height(self) -> int:
        return self.place[0].stop - self.place[0].start

    @cached_property
    def width(self) -> int:
        return self.place[1].stop - self.place[1].start

    @property
    def longer(self) -> int:
        return max(self.height, self.width)

    @cached_property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))

    @property
    def at_edge(self) -> bool:
        """Whether the picture's edge cuts it off."""
        return any(
            part.start == 0 or part.stop == side
            for part, side in zip(self.place, self.mask.shape, strict=True)
        )

    @cached_property
    def filled(self) -> Mask:
        """With its holes."""
        whole = np.zeros_like(self.mask)
        whole[self.place] = ndimage.binary_fill_holes(self.mask[self.place])
        return whole

    @cached_property
    def line(self) -> lines.Line:
        return lines.of(self.mask)


def digits(mask: Mask) -> list[Mask]:
    """The ink of each digit, from left to right, line by line; none where it is not clear."""
    parts = _inside_frames(_parts(mask))
    parts = [_without_underline(part) for part in _without_lines(parts)]
    groups = _groups(_large(_inside_picture(parts)))
    if not groups or len(groups) > MOST_DIGITS or any(_is_unclear(group) for group in groups):
        return []
    return [group.mask for group in _in_reading_order(groups)]


def _parts(mask: Mask) -> list[Part]:
    labels, _ = ndimage.label(mask, EIGHT)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = np.argsort(-sizes, kind="stable")[:MOST_PARTS]
    return [Part(labels == label) for label in largest if sizes[label] >= max(4, sizes.max() / 100)]


def _inside_frames(parts: list[Part]) -> list[Part]:
    """What is enclosed, where ink encloses other ink; else all, less empty boxes and grids."""
    enclosed: dict[int, Part] = {}
    frames: set[int] = set()
    for outer in parts:
        for inner in parts:
            if inner is not outer and _encloses(outer, inner):
                enclosed[id(inner)] = inner
                frames.add(id(outer))
    if frames:
        parts = [part for key, part in enclosed.items() if key not in frames]
    return [part for part in parts if not _is_empty_form(part)]


def _encloses(outer: Part, inner: Part) -> bool:
    if inner.longer < 0.2 * min(outer.height, outer.width):
        return False
    return int(np.count_nonzero(outer.filled & inner.mask)) > 0.6 * inner.area


def _is_empty_form(part: Part) -> bool:
    """Whether it is a grid, or a rectangle with nothing in it, rather than a digit."""
    if min(part.height, part.width) < 6:
        return False
    holes, _ = ndimage.label(part.filled & ~part.mask)
    area = np.count_nonzero(part.filled)
    sizes = np.bincount(holes.ravel())[1:]
    if (sizes > 0.1 * sizes.max(initial=1)).sum() > 3:
        return True
    _, rectangle, slender = surface.hull(part.filled)
    return bool(sizes.sum() > 0.35 * area and slender > 0.15 and area > 0.92 * rectangle)


def _without_lines(parts: list[Part]) -> list[Part]:
    """Less straight lines: lying ones, and standing ones that are no 1."""
    others = [part for part in parts if not part.line.is_straight]
    tallest = max((part.height for part in others), default=0)
    return [
        part
        for part in parts
        if not part.line.is_straight
        or (part.line.lies and any(_is_bar(part, other) for other in others))
        or (not part.line.lies and not _is_margin(part, tallest))
    ]


def _is_bar(part: Part, other: Part) -> bool:
    """Whether a lying line is the upper bar of a 5 or 7 that does not touch the rest."""
    below = other.place[0].start + other.height / 2 > part.place[0].stop
    return below and part.width <= other.width and _distance(part, other) < 0.2 * other.height


def _is_margin(part: Part, tallest: int) -> bool:
    return tallest > 0 and (part.at_edge or part.height > 1.8 * tallest)


def _without_underline(part: Part) -> Part:
    rest = lines.without_underline(part.mask[part.place])
    if rest is None:
        return part
    mask = np.zeros_like(part.mask)
    mask[part.place] = rest
    return Part(mask)


def _inside_picture(parts: list[Part]) -> list[Part]:
    """Less what the picture's edge cuts off, unless that is all: a digit fills the picture."""
    largest = max((part.area for part in parts), default=0)
    inside = [part for part in parts if not part.at_edge]
    clear = any(
        part.area >= largest / 10 or part.longer >= 0.2 * min(part.mask.shape) for part in inside
    )
    return inside if clear else parts


def _large(parts: list[Part]) -> list[Part]:
    """Less specks."""
    largest = max((part.area for part in parts), default=0)
    return [part for part in parts if part.area >= largest / 20]


def _groups(parts: list[Part]) -> list[Part]:
    """Parts that belong to one digit, joined; small ones to the nearest, or to none."""
    longest = max((part.longer for part in parts), default=0)
    groups: list[Part] = []
    for part in sorted(parts, key=lambda part: -part.height):
        near = [group for group in groups if _belong_together(part, group, longest)]
        if near:
            joined = np.logical_or.reduce([part.mask, *(group.mask for group in near)])
            groups = [group for group in groups if group not in near] + [Part(joined)]
        elif part.longer >= 0.4 * longest:
            groups.append(part)
    tallest = max((group.height for group in groups), default=0)
    return [group for group in groups if group.height >= 0.4 * tallest]


def _belong_together(part: Part, group: Part, longest: int) -> bool:
    """Whether a smaller part is a piece of a digit's: it is close, or it is over or under it."""
    left = max(part.place[1].start, group.place[1].start)
    right = min(part.place[1].stop, group.place[1].stop)
    shared = (right - left) / min(part.width, group.width)
    reach = 0.05 if shared < 0.3 else 0.25
    if part.longer < 0.5 * longest or part.height < 0.5 * group.height:
        reach = max(reach, 0.15)
    return _distance(part, group) <= reach * longest


def _distance(part: Part, other: Part) -> float:
    """Pixels between the two at their closest."""
    rows, columns = box(part.mask | other.mask)
    away = ndimage.distance_transform_edt(~other.mask[rows, columns])
    return float(away[part.mask[rows, columns]].min()) - 1


def _is_unclear(group: Part) -> bool:
    """Whether it is too wide for one digit."""
    return group.width > 1.9 * group.height


def _in_reading_order(groups: list[Part]) -> list[Part]:
    """Line by line, each from left to right."""
    rows: list[list[Part]] = []
    for group in sorted(groups, key=lambda group: group.place[0].start + group.place[0].stop):
        middle = (group.place[0].start + group.place[0].stop) / 2
        if rows and middle < rows[-1][0].place[0].stop:
            rows[-1].append(group)
        else:
            rows.append([group])
    return [group for row in rows for group in sorted(row, key=lambda group: group.place[1].start)]
