"""Photos of MNIST digits come back as those digits, whatever the paper, the light and the file."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mnistladder.data import datasets, mnist_form, photos, pixels
from mnistladder.errors import DataError

FIRST = 6  # test digits 7 2 1 0 4 1


@pytest.fixture(scope="module")
def digits():
    return datasets.find("mnist").load().test.images[:FIRST]


def enlarged(digit, side=220):
    """Ink from 0 to 1 of a digit, `side` pixels wide."""
    return np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) / 255


def on_page(ink, top=30, left=100, shape=(300, 400)):
    """The ink somewhere on a larger page."""
    page = np.zeros(shape)
    page[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return page


def picture(light):
    """A grey image of brightness from 0 to 1."""
    return Image.fromarray(np.round(255 * np.clip(light, 0, 1)).astype(np.uint8))


def seen(tmp_path, image, kind="png", **options):
    """What a network sees of an image of one digit that was saved."""
    path = tmp_path / f"digit.{kind}"
    image.save(path, **options)
    [found] = photos.read(path)
    return found


def difference(found, digit):
    """Mean difference of pixels in parts of the mean pixel, at the best of shifts by a pixel.

    Rounding the centre of mass may shift by one. Two different digits differ by more than 0.7.
    """
    shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    moved = [np.roll(found, shift, (0, 1)).astype(float) for shift in shifts]
    return min(np.abs(one - digit).mean() for one in moved) / digit.mean()


def dark_on_light(digit):
    return 0.93 - 0.8 * on_page(enlarged(digit))


def test_digit_pasted_large_comes_back_as_it_was(tmp_path, digits):
    """I1: dark on light, and light on dark."""
    for digit in digits:
        page = dark_on_light(digit)
        assert difference(seen(tmp_path, picture(page)), digit) < 0.35
        assert difference(seen(tmp_path, picture(1 - page)), digit) < 0.35
    others = [difference(a, b) for a, b in itertools.pairwise(digits)]
    assert min(others) > 0.7


@pytest.mark.parametrize("is_dark", [False, True])
def test_mnist_digit_itself_stays_nearly_as_it_is(tmp_path, digits, is_dark):
    """I1: 28 x 28 pixels of either polarity."""
    for digit in digits:
        image = Image.fromarray(255 - digit if is_dark else digit)
        assert difference(seen(tmp_path, image), digit) < 0.2


def test_digit_fills_20_pixels_and_its_centre_of_mass_is_in_the_middle(tmp_path, digits):
    for digit in digits:
        for shape in ((300, 400), (900, 1200)):
            page = on_page(enlarged(digit), 5, shape[1] - 225, shape)
            found = seen(tmp_path, picture(0.9 - 0.8 * page))
            assert (found.shape, found.dtype, found.max()) == ((28, 28), np.uint8, 255)
            spans = [np.flatnonzero(found.any(axis=axis)) for axis in (0, 1)]
            assert max(span[-1] - span[0] + 1 for span in spans) == 20
            assert ndimage.center_of_mass(found) == pytest.approx((14, 14), abs=0.51)


LIGHTS = {
    "slope": lambda y, x: 1 - 0.7 * (x + y) / 2,
    "dark corners": lambda y, x: 1 - 0.35 * ((2 * x - 1) ** 2 + (2 * y - 1) ** 2),
    "shadow": lambda y, x: 1 - 0.4 / (1 + np.exp(50 * (0.12 - x))),
}


@pytest.mark.parametrize("name", LIGHTS)
def test_uneven_light_and_noise_change_little(tmp_path, digits, name):
    y, x = np.mgrid[0:1:300j, 0:1:400j]
    noise = np.random.default_rng(0).normal(0, 0.02, x.shape)
    for digit in digits:
        page = dark_on_light(digit) * LIGHTS[name](y, x) + noise
        assert difference(seen(tmp_path, picture(page)), digit) < 0.5


def test_specks_are_dropped(tmp_path, digits):
    page = dark_on_light(digits[0])
    page[10:13, 10:13] = page[280:284, 380:384] = page[150:152, 30:33] = 0
    assert difference(seen(tmp_path, picture(page)), digits[0]) < 0.35


def test_thin_strokes_are_widened_and_thick_ones_narrowed(digits):
    ring = np.hypot(*(np.indices((200, 200)) - 99.5))
    widths = []
    for width in (3, 20, 60):
        ink = ((ring < 80) & (ring > 80 - width)).astype(float)
        found = mnist_form.with_usual_width(ink, ink > 0)
        widths.append(pixels.stroke_width(found > 0.5) / 160)
    assert widths == pytest.approx([0.125, 0.125, 0.2], abs=0.025)


def test_hairline_keeps_as_much_ink_as_mnist(tmp_path):
    """A ball pen's line on a large page: scaled alone, its pixels would be a third as bright."""
    page = np.ones((1500, 1200))
    page[300:1100, 600:606] = 0.2
    page[300:306, 350:606] = 0.2
    found = seen(tmp_path, picture(page))
    assert 15 < found.mean() < 50
    assert (found > 200).sum() > 20


@pytest.mark.parametrize("turned", range(1, 9))
def test_orientation_of_a_camera_is_undone(tmp_path, digits, turned):
    """I5: each of the eight EXIF orientations shows the same."""
    upright = picture(dark_on_light(digits[0]))
    how = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what undoes it, as Pillow counts
    stored = upright.transpose(Image.Transpose(how[turned])) if turned > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = turned
    found = seen(tmp_path, stored, "jpg", exif=exif, quality=95)
    assert difference(found, digits[0]) < 0.35


def modes(page):
    """The same page in every mode that a file can have: its name, the image, the file's kind."""
    grey = picture(page)
    ink = Image.fromarray(np.round(255 * (0.93 - page) / 0.8).clip(0, 255).astype(np.uint8))
    clear = {}
    for name, shade in (("black", 0), ("white", 255)):
        clear[name] = Image.merge("RGBA", [Image.new("L", grey.size, shade)] * 3 + [ink])
    whole = Image.merge("RGBA", [grey] * 3 + [Image.new("L", grey.size, 255)])
    whole.paste((255, 0, 255, 0), (0, 0, 400, 20))  # a card whose upper edge was cut off
    palette = grey.quantize(16)
    return {
        "1": (grey.convert("1", dither=Image.Dither.NONE), "png"),
        "L": (grey, "bmp"),
        "RGB": (grey.convert("RGB"), "webp"),
        "P": (palette, "gif"),
        "CMYK": (grey.convert("CMYK"), "jpg"),
        "16 bits": (Image.fromarray((np.clip(page, 0, 1) * 65535).astype(np.uint16)), "png"),
        "12 bits in 16": (Image.fromarray((np.clip(page, 0, 1) * 4095).astype(np.uint16)), "png"),
        "black on nothing": (clear["black"], "png"),
        "white on nothing": (clear["white"], "webp"),
        "LA": (clear["white"].convert("LA"), "png"),
        "palette with nothing": (clear["black"].quantize(16, Image.Quantize.FASTOCTREE), "png"),
        "cut card": (whole, "png"),
    }


@pytest.mark.parametrize("name", modes(np.full((4, 4), 0.9)))
def test_every_mode_of_a_file_shows_the_same_digit(tmp_path, digits, name):
    """I2: alpha, palettes, CMYK, and 16 bits, which must not be cut off at 255."""
    for digit in digits[:4]:
        image, kind = modes(dark_on_light(digit))[name]
        limit = 0.55 if name == "1" else 0.35  # two shades cut the edges off
        assert difference(seen(tmp_path, image, kind), digit) < limit


@pytest.mark.parametrize(
    "shape", [(28, 28), (300, 400), (2000, 3000), (1, 1), (1, 10_000), (27, 3)]
)
@pytest.mark.parametrize("shade", [0, 128, 255])
def test_page_without_a_digit_says_so(tmp_path, shape, shade):
    """I1: of any size, one pixel included."""
    with pytest.raises(DataError, match=r"digit\.png: no digit found; expected one"):
        seen(tmp_path, Image.fromarray(np.full(shape, shade, np.uint8)))


def test_noise_and_slopes_of_light_are_no_digit(tmp_path):
    """I1: paper."""
    _, x = np.mgrid[0:1:300j, 0:1:400j]
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(0, 0.03, x.shape)
        with pytest.raises(DataError, match="no digit found"):
            seen(tmp_path, picture(0.9 - 0.5 * x + noise))


def test_size_is_refused_by_the_header_alone(tmp_path):
    """I3: nothing of 25 megapixels or more is decoded; below, it is."""
    buffer = io.BytesIO()
    Image.new("L", (5001, 5000), 255).save(buffer, "PNG")
    cut = buffer.getvalue()[:100]  # its pixels are not even there
    (tmp_path / "large.png").write_bytes(cut)
    with pytest.raises(DataError, match="5,001 x 5,000 pixels; at most 25,000,000"):
        photos.read(tmp_path / "large.png")
    with pytest.raises(DataError, match="no digit found"):
        seen(tmp_path, Image.new("L", (5000, 5000), 255))


def test_jpeg_of_a_telephone_may_be_larger(tmp_path, digits):
    """50 million pixels, as large telephones write; a PNG of that size is refused."""
    page = picture(dark_on_light(digits[0])).resize((8160, 6120), Image.Resampling.NEAREST)
    assert difference(seen(tmp_path, page, "jpg", quality=70), digits[0]) < 0.4
    page.save(tmp_path / "same.png", compress_level=1)
    with pytest.raises(DataError, match="8,160 x 6,120 pixels; at most 25,000,000"):
        photos.read(tmp_path / "same.png")


def test_file_larger_than_any_photo_is_not_read(tmp_path):
    """I3: a sparse file of a terabyte."""
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"huge\.png: larger than 64 MiB"):
        photos.read(path)


def test_equal_brightness_is_told_apart_by_colour(tmp_path, digits):
    """Red on green: in grey there is nothing."""
    for digit in digits:
        ink = on_page(enlarged(digit))[..., None]
        colours = (0.2, 0.558, 0.2) + ink * np.subtract((0.9, 0.2, 0.2), (0.2, 0.558, 0.2))
        image = Image.fromarray(np.round(255 * colours).astype(np.uint8))
        assert np.ptp(np.asarray(image.convert("L"))) < 3
        assert difference(seen(tmp_path, image), digit) < 0.35


def test_several_digits_come_from_left_to_right(tmp_path, digits):
    shape = (240, 900)
    pages = [
        on_page(enlarged(digit, 140), 40, 40 + 200 * number, shape)
        for number, digit in enumerate(digits[:4])
    ]
    path = tmp_path / "row.png"
    picture(0.9 - 0.8 * sum(pages)).save(path)
    for found, digit in zip(photos.read(path), digits[:4], strict=True):
        assert difference(found, digit) < 0.45
