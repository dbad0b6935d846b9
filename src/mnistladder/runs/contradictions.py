"""Records whose fields have the right types and cannot all be true: forged ones, or a bug's."""

from collections.abc import Sized
from typing import TypeVar

from mnistladder.errors import CorruptError
from mnistladder.runs.records import BoardRow, ResultRecord
from mnistladder.task import CLASSES

MOST_IMAGES = 2_000_000  # of a test set; what a record says decides how large arrays get

AnyResult = TypeVar("AnyResult", bound=BoardRow)


def checked(record: AnyResult, where: str) -> AnyResult:
    """The record itself. Raises CorruptError where fields contradict each other."""
    if mistake := _mistake(record) or _large_mistake(record):
        raise CorruptError(f"{where}: {mistake}")
    return record


def _mistake(row: BoardRow) -> str | None:
    first, end = row.span
    if not 0 <= first < end <= MOST_IMAGES:
        return f"field `scored` is no part of a test set: {first} to {end}"
    if not 0 <= row.errors <= row.test_images or not 0 < row.test_images <= MOST_IMAGES:
        return f"{row.errors} errors of {row.test_images} test images"
    networks: list[Sized] = [row.member_seeds, row.member_errors, row.weights_sha256]
    if not row.member_keys or {*map(len, networks)} != {len(row.member_keys)}:
        return "its lists of networks have different lengths"
    if len(row.per_class_errors) != CLASSES:
        return f"field `per_class_errors` has not {CLASSES} numbers"
    return None


def _large_mistake(row: BoardRow) -> str | None:
    """What is wrong in the fields that only the result's own file has."""
    if not isinstance(row, ResultRecord):
        return None
    first, end = row.span
    if row.wrong_images and not first <= min(row.wrong_images) <= max(row.wrong_images) < end:
        return "field `wrong_images` has an image that is not scored"
    if len(row.curve.loss) != len(row.curve.test_accuracy):
        return "field `curve` has lists of different lengths"
    return None
