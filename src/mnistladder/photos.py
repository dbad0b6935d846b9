"""A photo or scan of one digit -> 28 x 28 pixels in MNIST's manner.

MNIST's makers fitted each digit into a box of 20 x 20 pixels, its proportions kept and its edges
smoothed, and put its centre of mass into the middle of 28 x 28 (LeCun et al. 1998, "Gradient-based
learning applied to document recognition"). Before that the stroke must be found: it is what differs
from its surroundings, whatever the light, and whichever of the two is darker.
"""

import stat
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

from mnistladder.errors import DataError

FORMATS = ("PNG", "JPEG")  # no other decoder is given bytes from outside
MAX_BYTES, MAX_PIXELS = 50 * 2**20, 26_000_000
WORKING = 240  # pixels of the longer side, in which the stroke is looked for
SIDE, BOX = 28, 20
LEAST_CONTRAST = 0.08  # of black to white: below it, paper
THIN, THICK = 0.07, 0.13  # of the digit's longer side: MNIST's strokes are about an eighth of it
Grey = NDArray[np.float64]
Mask = NDArray[np.bool_]


def read(path: Path) -> NDArray[np.uint8]:
    """The digit of an image file as a network sees it: 28 x 28, light on dark.

    Raises DataError for what is no image, is damaged or too large, or shows no digit.
    """
    ink = stroke(grey(_decoded(path)))
    if ink is None:
        raise DataError(f"{path}: no digit found; expected one dark or light digit on plain ground")
    return centred(fitted(ink))


def _decoded(path: Path) -> Image.Image:
    """The image in memory, upright, at most twice WORKING wide if it was larger."""
    try:
        about = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        raise DataError(f"{path}: not a file")
    if about.st_size > MAX_BYTES:
        raise DataError(f"{path}: larger than {MAX_BYTES // 2**20} MiB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities in files that it can read
        try:
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(
                        f"{path}: {image.width:,} x {image.height:,} pixels; at most {MAX_PIXELS:,}"
                    )
                image.load()
                return ImageOps.exif_transpose(image)
        except DataError:
            raise
        except Image.DecompressionBombError:
            raise DataError(f"{path}: more than {MAX_PIXELS:,} pixels") from None
        except Exception as error:  # decoders of damaged files raise whatever they like
            raise DataError(f"{path}: no image that can be read: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"expected {' or '.join(FORMATS)}"
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def grey(image: Image.Image) -> Grey:
    """Brightness from 0 to 1, at most WORKING pixels a side; what is transparent becomes ground."""
    if image.mode.startswith(("I", "F")):  # 16 bits and more, of which few may be in use
        values = np.nan_to_num(np.asarray(image, np.float64))
        span = float(np.ptp(values)) or 1.0
        image = Image.fromarray((255 * (values - values.min()) / span).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = _on_ground(image.convert("RGBA"))
    image = image.convert("L")
    if (longer := max(image.size)) > WORKING:
        sides = [max(1, round(side * WORKING / longer)) for side in image.size]
        image = image.resize((sides[0], sides[1]), Image.Resampling.BOX)
    return np.asarray(image, np.float64) / 255


def _on_ground(image: Image.Image) -> Image.Image:
    """What is there, on black if it is light and on white if it is dark."""
    opacity = np.asarray(image.getchannel("A"), np.float64)
    light = np.asarray(image.convert("L"), np.float64)
    is_light = (light * opacity).sum() > 127 * opacity.sum()
    ground = Image.new("RGBA", image.size, "black" if is_light else "white")
    return Image.alpha_composite(ground, image)


def stroke(brightness: Grey) -> Grey | None:
    """How much ink is where, from 0 to 1, cropped to the digit; None where there is no digit."""
    height, width = brightness.shape
    if min(height, width) < 3:
        return None
    upright = brightness if _ground_is_light(brightness) else 1 - brightness
    # A closing fills what is darker than its surroundings and narrower than its window.
    window = max(height, width) // 2 | 1
    ground = ndimage.grey_closing(np.pad(upright, window, mode="edge"), (window, window))
    ground = ground[window:-window, window:-window]
    ink = (ground - upright) / ground.clip(0.25)  # a shadow dims paper and ink alike
    if (strongest := float(np.quantile(ink, 0.998))) < LEAST_CONTRAST:
        return None
    ink = (ink / strongest).clip(0, 1)
    mask = _without_specks(ink > otsu(ink))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    near = ndimage.binary_dilation(mask, iterations=1)
    ink = np.where(near, ink, 0)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _thickened(ink, mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _ground_is_light(brightness: Grey) -> bool:
    """Whether the border, less its slope of light, is on the lighter side of Otsu's threshold."""
    border = np.ones(brightness.shape, bool)
    inset = [max(1, side // 20) for side in brightness.shape]
    border[inset[0] : -inset[0], inset[1] : -inset[1]] = False
    row, column = np.indices(brightness.shape)
    plane = np.stack([row, column, np.ones_like(row)], axis=-1).astype(float)
    slope, *_ = np.linalg.lstsq(plane[border], brightness[border], rcond=None)
    level = brightness - plane @ slope
    return bool(np.median(level[border]) > otsu(level))


def otsu(values: Grey) -> float:
    """The threshold that parts values into the two most distinct classes (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (sums[-1] * below / total - sums) ** 2 / (below * (total - below))
    return float(edges[1:][np.nanargmax(np.nan_to_num(between[:-1], nan=-1.0))])


def _without_specks(mask: Mask) -> Mask:
    """The largest connected part and those of at least a twentieth of its size."""
    labels, _ = ndimage.label(mask, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes >= sizes.max() / 20)[labels] & mask


def _thickened(ink: Grey, mask: Mask) -> Grey:
    """Strokes much thinner than MNIST's, widened: scaled to 20 pixels they would all but vanish."""
    longer = max(mask.shape)
    # The mean distance to the edge of a stroke of width w is w / 4.
    width = 4 * float(ndimage.distance_transform_edt(np.pad(mask, 1)).sum() / mask.sum())
    if width / longer >= THIN:
        return ink
    radius = max(1, round((THICK * longer - width) / 2))
    row, column = np.indices((2 * radius + 1, 2 * radius + 1)) - radius
    disk = row**2 + column**2 <= radius**2
    return ndimage.grey_dilation(np.pad(ink, radius), footprint=disk)


def fitted(ink: Grey) -> Grey:
    """The ink scaled, with its proportions, so that its longer side is 20 pixels."""
    height, width = ink.shape
    scale = BOX / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    small = np.asarray(Image.fromarray(ink.astype(np.float32)).resize(size, method), np.float64)
    return (small / max(small.max(), 1e-9)).clip(0, 1)


def centred(small: Grey) -> NDArray[np.uint8]:
    """The fitted digit in 28 x 28, its centre of mass in the middle as far as there is room."""
    canvas = np.zeros((SIDE, SIDE))
    corner = [
        int(np.clip(round(SIDE / 2 - centre), 0, SIDE - side))
        for centre, side in zip(ndimage.center_of_mass(small), small.shape, strict=True)
    ]
    canvas[corner[0] : corner[0] + small.shape[0], corner[1] : corner[1] + small.shape[1]] = small
    return np.round(255 * canvas).astype(np.uint8)
