"""Photos of digits become what MNIST's makers would have made of them."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from mnistladder import data, photos
from mnistladder.errors import DataError

DIGITS = data.find("mnist").load().test.images[:40]


def paper(digit, size=(300, 400), side=240, corner=(30, 80)):
    """Brightness from 0 to 1 of white paper with a dark digit on it."""
    drawn = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    sheet = np.ones(size[::-1])
    sheet[corner[1] : corner[1] + side, corner[0] : corner[0] + side] -= np.asarray(drawn) / 300
    return sheet


def seen(brightness, tmp_path, mode="L", suffix="png", **options):
    """What is read of brightness stored as a file."""
    image = Image.fromarray((255 * brightness.clip(0, 1)).astype(np.uint8)).convert(mode)
    path = tmp_path / f"photo.{suffix}"
    image.save(path, **options)
    return photos.read(path)


def alike(first, second):
    """The correlation of two digits."""
    return np.corrcoef(first.ravel().astype(float), second.ravel().astype(float))[0, 1]


@pytest.mark.parametrize("number", range(0, 40, 4))
def test_digit_pasted_large_comes_back(tmp_path, number):
    digit = DIGITS[number]
    found = seen(paper(digit), tmp_path)
    assert (found.shape, found.dtype) == ((28, 28), np.uint8)
    assert alike(found, digit) > 0.8
    rows, columns = (np.flatnonzero(found.any(axis=axis)) for axis in (1, 0))
    sides = np.ptp(rows) + 1, np.ptp(columns) + 1
    assert max(sides) in (19, 20)
    assert np.abs(np.array(ndimage.center_of_mass(found.astype(float))) - 14).max() < 0.6


def test_dark_on_light_and_light_on_dark_are_the_same(tmp_path):
    for digit in DIGITS[:10]:
        sheet = paper(digit)
        assert alike(seen(sheet, tmp_path), seen(1 - sheet, tmp_path)) > 0.99


def test_faint_and_coloured_and_unevenly_lit_digits_are_found(tmp_path):
    draws = np.random.default_rng(0)
    light = np.linspace(1, 0.4, 300)[None] * np.linspace(1, 0.7, 400)[:, None]
    for digit in DIGITS[:10]:
        sheet = paper(digit)
        plain = seen(sheet, tmp_path)
        faint = 0.6 + 0.2 * sheet + draws.normal(0, 0.01, sheet.shape)
        assert alike(seen(faint, tmp_path), plain) > 0.9
        assert alike(seen(sheet * light, tmp_path), plain) > 0.85


def test_specks_are_no_part_of_the_digit(tmp_path):
    sheet = paper(DIGITS[0])
    plain = seen(sheet, tmp_path)
    sheet[5:9, 5:9] = sheet[390:394, 290:294] = 0
    assert alike(seen(sheet, tmp_path), plain) > 0.99


def test_thin_strokes_are_widened(tmp_path):
    sheet = np.ones((400, 300))
    sheet[60:340, 149:152] = 0
    found = seen(sheet, tmp_path)
    widths = (found[8:20] > 100).sum(1)
    assert widths.min() >= 2


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_of_a_camera_is_heeded(tmp_path, turn):
    image = Image.fromarray((255 * paper(DIGITS[1])).astype(np.uint8))
    stored = {1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
              4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
              6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
              8: Image.Transpose.ROTATE_270}[turn]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "photo.jpg"
    (image.transpose(stored) if stored is not None else image).save(path, exif=exif)
    assert alike(photos.read(path), seen(paper(DIGITS[1]), tmp_path)) > 0.98


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_png_is_read(tmp_path, mode):
    """I2: each has a defined conversion; 16 bits are scaled, not clipped."""
    sheet = paper(DIGITS[2])
    if mode == "I;16":
        path = tmp_path / "photo.png"
        Image.fromarray((20_000 + 20_000 * sheet).astype(np.uint16)).save(path)
        found = photos.read(path)
    else:
        found = seen(sheet, tmp_path, mode)
    assert alike(found, seen(sheet, tmp_path)) > 0.9


def test_cmyk_photo_is_read(tmp_path):
    """I2."""
    sheet = paper(DIGITS[2])
    assert alike(seen(sheet, tmp_path, "CMYK", "jpg"), seen(sheet, tmp_path)) > 0.95


@pytest.mark.parametrize("ink", ["black", "white"])
def test_what_is_transparent_is_ground_whatever_the_ink(tmp_path, ink):
    """I2."""
    opacity = Image.fromarray((255 * (1 - paper(DIGITS[3]))).astype(np.uint8))
    image = Image.new("RGBA", opacity.size, ink)
    image.putalpha(opacity)
    image.save(tmp_path / "photo.png")
    expected = seen(paper(DIGITS[3]), tmp_path, suffix="jpg")
    assert alike(photos.read(tmp_path / "photo.png"), expected) > 0.95


@pytest.mark.parametrize("size", [(28, 28), (27, 29), (20, 20), (60, 15), (2000, 2500)])
def test_every_size_is_read(tmp_path, size):
    """I1."""
    image = Image.fromarray(255 - DIGITS[2]).resize(size, Image.Resampling.BICUBIC)
    image.save(tmp_path / "photo.png")
    assert photos.read(tmp_path / "photo.png").max() == 255


def test_mnist_itself_stays_itself(tmp_path):
    """I1: white on black, and black on white."""
    found = []
    for digit in DIGITS[:20]:
        for image in (digit, 255 - digit):
            Image.fromarray(image).save(tmp_path / "photo.png")
            found.append(alike(photos.read(tmp_path / "photo.png"), digit))
    assert min(found) > 0.75
    assert np.mean(found) > 0.95


@pytest.mark.parametrize("size", [(1, 1), (1, 1000), (2, 2), (1000, 1), (2, 900)])
def test_too_narrow_an_image_has_no_digit(tmp_path, size):
    """I1."""
    Image.new("L", size, 255).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match="no digit found"):
        photos.read(tmp_path / "photo.png")


@pytest.mark.parametrize("shade", [0, 90, 255])
def test_empty_paper_has_no_digit(tmp_path, shade):
    draws = np.random.default_rng(0)
    sheet = (shade + draws.integers(-3, 4, (200, 200))).clip(0, 255).astype(np.uint8)
    Image.fromarray(sheet).save(tmp_path / "photo.png")
    with pytest.raises(DataError, match="no digit found"):
        photos.read(tmp_path / "photo.png")


def test_threshold_parts_two_heaps():
    """Against the definition, tried at every value."""
    draws = np.random.default_rng(0)
    values = np.concatenate([draws.normal(0.2, 0.05, 500), draws.normal(0.8, 0.05, 100)])

    def spread(threshold):
        low, high = values[values <= threshold], values[values > threshold]
        return len(low) * len(high) * (high.mean() - low.mean()) ** 2

    best = max(sorted(values)[:-1], key=spread)
    assert spread(photos.otsu(values)) == pytest.approx(spread(best), rel=0.01)


def png(digit):
    buffer = io.BytesIO()
    Image.fromarray(digit).resize((56, 56)).save(buffer, "PNG")
    return buffer.getvalue()


@settings(settings.get_profile("fuzz"))
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=8), st.booleans())
def test_spoilt_files_are_read_or_told(tmp_path_factory, changes, is_jpeg):
    """I7: any bytes changed."""
    content = bytearray(JPEG if is_jpeg else PNG)
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "spoilt"
    path.write_bytes(content)
    try:
        assert photos.read(path).shape == (28, 28)
    except DataError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)


PNG = png(DIGITS[0])
_buffer = io.BytesIO()
Image.open(io.BytesIO(PNG)).save(_buffer, "JPEG")
JPEG = _buffer.getvalue()
