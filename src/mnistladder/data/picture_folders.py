"""Folders of PNG and JPEG pictures, one folder for each label -> arrays of 28 x 28 pixels."""

import io
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from mnistladder.data import photos
from mnistladder.data.idx import MAX_IMAGES, Bytes
from mnistladder.errors import DataError
from mnistladder.task import INPUT_SHAPE

FORMATS = ("PNG", "JPEG")
SUFFIXES = (".png", ".jpg", ".jpeg")
SPLIT_FOLDERS = {"train": ("train", "training"), "test": ("test", "testing")}
SIDE = INPUT_SHAPE[1]


class Pictures(NamedTuple):
    """Picture files with a label for each, and what else lies beside them."""

    paths: list[Path]
    labels: Bytes
    others: list[Path]


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of the training and the test split, under their public names.

    Raises DataError if a split has two.
    """
    splits: dict[str, Path] = {}
    for split, names in SPLIT_FOLDERS.items():
        places = [path for path in subfolders(folder) if path.name.lower() in names]
        if len(places) > 1:
            raise DataError(f"{places[0]} and {places[1].name}: two folders for the same split")
        if places:
            splits[split] = places[0]
    return splits


def class_folders(folder: Path) -> dict[int, Path]:
    """The subfolders whose names are labels, such as 0 and 1. Raises DataError."""
    places = [path for path in subfolders(folder) if re.fullmatch("[0-9]{1,3}", path.name)]
    classes = {int(path.name): path for path in places}
    if len(classes) < len(places):
        raise DataError(f"{folder}: two folders are named for the same label, such as 1 and 01")
    return classes


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, in the order of their names. Raises DataError."""
    return [path for path in listed(folder) if path.is_dir()]


def listed(folder: Path) -> list[Path]:
    """What is in a folder, less hidden files, in the order of the names. Raises DataError."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from None


def find_pictures(folder: Path) -> Pictures:
    """The pictures in the class folders of a folder, by label and name. Raises DataError."""
    classes = class_folders(folder)
    if not classes:
        raise DataError(f"{folder}: no folders 0, 1 ... 9 with pictures")
    if max(classes) > 255:
        raise DataError(f"{classes[max(classes)]}: the name is no label; expected 0 to 9")
    paths: list[Path] = []
    labels: list[int] = []
    others = [path for path in listed(folder) if path not in classes.values()]
    for label, place in sorted(classes.items()):
        files = listed(place)
        pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
        paths += pictures
        labels += [label] * len(pictures)
        others += [path for path in files if path.suffix.lower() not in SUFFIXES]
    if not 2 <= len(paths) <= MAX_IMAGES:
        raise DataError(f"{folder}: {len(paths):,} pictures; expected 2 to {MAX_IMAGES:,}")
    return Pictures(paths, np.array(labels, np.uint8), others)


def read_pictures(paths: list[Path], resize: bool) -> Bytes:
    """The pictures, N x 28 x 28, grey. Raises DataError for one that is damaged or too large.

    Pictures of another size are refused, or with `resize` scaled.
    """
    images = np.empty((len(paths), SIDE, SIDE), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities in files that it can read
        for index, path in enumerate(paths):
            images[index] = _read_picture(path, resize)
    return images


def _read_picture(path: Path, resize: bool) -> Bytes:
    if not path.is_file():
        raise DataError(f"{path}: not a regular file")
    try:
        with path.open("rb") as file:
            content = file.read(photos.MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > photos.MAX_BYTES:
        raise DataError(f"{path}: larger than {photos.MAX_BYTES // 2**20} MiB")
    try:
        return _decoded(content, resize)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # decoders of damaged files raise whatever they like
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise DataError(f"{path}: not a PNG or JPEG picture, or damaged: {reason}") from None


def _decoded(content: bytes, resize: bool) -> Bytes:
    """The grey picture, upright, 28 x 28. Its header says its size before it is decoded."""
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > photos.MAX_PIXELS:
            raise DataError(f"{width:,} x {height:,} pixels; at most {photos.MAX_PIXELS:,}")
        if (width, height) != (SIDE, SIDE) and not resize:
            raise DataError(other_size(height, width))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        grey = np.round(255 * photos.brightness(image)).astype(np.uint8)
    return scaled(grey)


def other_size(height: int, width: int) -> str:
    """The message for an image that is not 28 x 28."""
    return f"{height} x {width} pixels, expected {SIDE} x {SIDE}; `--resize` scales other sizes"


def resized(images: Bytes) -> Bytes:
    """Images N x height x width as N x 28 x 28. Raises DataError where a side is 0 or very long."""
    height, width = images.shape[1:]
    if min(height, width) == 0 or max(height, width) ** 2 > photos.MAX_PIXELS:
        raise DataError(f"{height} x {width} pixels cannot be scaled")
    return np.stack([scaled(image) for image in images])


def scaled(image: Bytes) -> Bytes:
    """A grey image as 28 x 28 pixels, antialiased; made a square first with its border's shade."""
    if image.shape == (SIDE, SIDE):
        return image
    longer = max(image.shape)
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    square = np.full((longer, longer), round(float(np.median(border))), np.uint8)
    top, left = ((longer - side) // 2 for side in image.shape)
    square[top : top + image.shape[0], left : left + image.shape[1]] = image
    small = Image.fromarray(square).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(small)
