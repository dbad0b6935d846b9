"""A photo or scan of digits -> 28 x 28 pixels each: image files from anywhere, read within limits.

Only the decoders of FORMATS are given bytes from outside. How large an image is says its header:
too large a one is refused before any of it is decoded.
"""

import io
import os
import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from mnistladder.data import digit_finder
from mnistladder.data.pixels import Grey, shrunk
from mnistladder.errors import DataError

# Not TIFF: its library writes to stderr by itself whenever a file is damaged.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_BYTES, MAX_PIXELS = 64 * 2**20, 25_000_000
MAX_JPEG_PIXELS = 110_000_000  # telephones' 50 and 108 million: decoded at a part of that size
LEAST_COLOUR = 0.12  # between the colours of ink and paper: below it, they count as grey
KEPT = 4 * digit_finder.WORKING  # pixels of the longer side, so that a small digit can be looked at


def read(path: Path) -> list[NDArray[np.uint8]]:
    """The digits of an image file, left to right, as a network sees them: 28 x 28, light on dark.

    Raises DataError for what is no image, is damaged or too large, or shows no digit.
    """
    content = _content(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities in files that it can read
        try:
            views = _decoded(content)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        except Exception as error:  # decoders of damaged files raise whatever they like
            raise DataError(f"{path}: {_reason(error)}") from None
    for view in views:
        if digits := digit_finder.digits(view):
            return digits
    raise DataError(
        f"{path}: no digit found; expected one or more, dark or light, clear of each other"
    )


def _content(path: Path) -> bytes:
    """The bytes of a regular file; of anything else none is read, and nothing is waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            content = file.read(MAX_BYTES + 1) if stat.S_ISREG(about.st_mode) else None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if content is None:
        raise DataError(f"{path}: not a regular file")
    if len(content) > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
    return content


def _decoded(content: bytes) -> list[Grey]:
    """Views of the image's first frame, upright, as large as is useful: see `views`.

    Raises DataError where it is too large, and whatever else Pillow raises.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            most = MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS
            if image.width * image.height > most:
                raise DataError(f"{image.width:,} x {image.height:,} pixels; at most {most:,}")
            image.draft(None, (KEPT, KEPT))  # a JPEG is decoded no larger than needed
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return views(image)
    except Image.DecompressionBombError:
        raise DataError(
            f"too many pixels; at most {MAX_PIXELS:,}, of a JPEG {MAX_JPEG_PIXELS:,}"
        ) from None


def _reason(error: Exception) -> str:
    """What is wrong with a file, in one line."""
    if isinstance(error, UnidentifiedImageError):
        return f"no image; expected {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
    return f"damaged: {(str(error) or type(error).__name__).splitlines()[0][:200]}"


def views(image: Image.Image) -> list[Grey]:
    """Brightness; and before it the colour where that differs much more, after it where less."""
    light = brightness(image)
    if image.mode.startswith("I") or image.mode in ("1", "L") or image.has_transparency_data:
        return [light]
    colour = _colour(image)
    spans = [float(np.ptp(ndimage.gaussian_filter(shrunk(v, 240), 1.5))) for v in (light, colour)]
    if spans[1] < LEAST_COLOUR:
        return [light]
    return [colour, light] if spans[1] > 3 * spans[0] else [light, colour]


def _colour(image: Image.Image) -> Grey:
    """How far each pixel is along the axis on which the colours of the image differ most.

    Colours are the two that JPEG stores beside brightness, so that equal brightness is no matter.
    """
    whole = image.convert("RGB")
    if (factor := max(whole.size) // KEPT) > 1:
        whole = whole.reduce(factor)
    both = np.asarray(whole.convert("YCbCr"))[..., 1:] / 255
    values = both.reshape(-1, 2) - both.mean((0, 1))
    _, axes = np.linalg.eigh(values.T @ values)
    return shrunk((values @ axes[:, 1]).reshape(both.shape[:2]) + 0.5, KEPT)


def brightness(image: Image.Image) -> Grey:
    """Black 0, white 1, no side longer than KEPT; a transparent ground is made a plain one."""
    if image.mode.startswith("I"):
        return _of_many_bits(shrunk(np.asarray(image), KEPT))
    whole = image.convert("RGBA" if image.has_transparency_data else "L")
    if (factor := max(whole.size) // KEPT) > 1:
        whole = whole.reduce(factor)
    light = np.asarray(whole.convert("L")) / 255
    if whole.mode == "RGBA":
        light = _on_ground(light, np.asarray(whole.getchannel("A")) / 255)
    return shrunk(light, KEPT)


def _of_many_bits(values: Grey) -> Grey:
    """Pixels of 16 bits by the full scale, 2^bits - 1, that their largest one needs.

    Scanners and cameras store 10 to 14 bits in 16.
    """
    bits = np.ceil(np.log2(float(values.max()) + 1))
    return values.clip(0, None) / max(255, 2**bits - 1)


def _on_ground(light: Grey, opacity: Grey) -> Grey:
    """What is there on what is not: if it is of one shade, it is the stroke, on the opposite.

    Else it is a picture with its own ground, which is continued.
    """
    there = light[opacity > 0.5]
    if not there.size:
        return np.zeros_like(light)
    low, high = np.quantile(there, [0.02, 0.98])
    middle = float(np.median(there))
    ground = float(middle < 0.5) if high - low < 0.25 else middle
    return ground + (light - ground) * opacity
