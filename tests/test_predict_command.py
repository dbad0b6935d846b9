"""`predict` as a user meets it: own photos, good and bad, and what is said of them."""

import io
import json
import os
import resource
import struct
import subprocess
import sys
import zlib

import numpy as np
import photo_scenes
import pytest
from commands import call
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mnistladder.data import datasets, idx, photos
from mnistladder.errors import DataError, ExitCode

SHORT = ["--set", "phases=[{epochs: 2, lr: 2e-3}, {epochs: 1, lr: 3e-4}]"]
NAMES = "7210414959"  # the first test digits


@pytest.fixture(scope="module")
def digits():
    return datasets.find("mnist").load().test


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with one result on 20,000 digits, and its id."""
    return trained_on(tmp_path_factory.mktemp("trained"), 20_000, "model06_maxpool", *SHORT)


def trained_on(folder, count, rung, *changes, inverted=False):
    """A folder with one result on so many digits, dark on bright if `inverted`; and its id."""
    mnist = datasets.find("mnist").load()
    (folder / "subset").mkdir()
    for names, split, most in zip(
        datasets.FILES.values(), (mnist.train, mnist.test), (count, 500), strict=True
    ):
        images = 255 - split.images[:most] if inverted else split.images[:most]
        for name, array in zip(names, (images, split.labels[:most]), strict=True):
            (folder / "subset" / name).write_bytes(idx.encode_idx(array))
    arguments = ["run", rung, *changes, "--data-dir", "subset", "--json", "--quiet"]
    done = call(*arguments, cwd=folder)
    [result] = json.loads(done.stdout)
    return folder, result["result_id"]


def photo(digit, seed=0):
    """A digit in dark ink somewhere on a light page of 300 x 400, as JPEG bytes."""
    top, left = np.random.default_rng(seed).integers(10, (70, 170))
    ink = np.zeros((300, 400))
    large = Image.fromarray(digit).resize((220, 220), Image.Resampling.BICUBIC)
    ink[top : top + 220, left : left + 220] = np.asarray(large) / 255
    page = 255 * (np.array([0.95, 0.93, 0.88]) - ink[..., None] * np.array([0.8, 0.75, 0.6]))
    buffer = io.BytesIO()
    Image.fromarray(np.round(page).astype(np.uint8)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def album(tmp_path_factory, digits):
    """Photos of the first 100 test digits."""
    folder = tmp_path_factory.mktemp("album")
    for number, digit in enumerate(digits.images[:100]):
        (folder / f"{number:02}.jpg").write_bytes(photo(digit, number))
    return sorted(folder.iterdir())


def test_photos_of_the_first_hundred_test_digits_are_read(trained, album, digits):
    """At least 95 of 100 are right, by a network of 98 %, in one call."""
    folder, result = trained
    done = call("predict", result, *album, "--json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert [row["image"] for row in rows] == [str(path) for path in album]
    said = np.array([row["digit"] for row in rows])
    assert (said == digits.labels[:100]).sum() >= 95
    for row in rows:
        chances = [one["probability"] for one in row["top"]]
        assert row["top"][0] == {"digit": row["digit"], "probability": row["probability"]}
        assert len(chances) == 3
        assert 1 + 1e-6 >= chances[0] >= chances[1] >= chances[2] >= 0


def test_networks_that_learned_dark_ink_get_dark_ink(tmp_path, album, digits):
    changes = ("--set", "phases=[{epochs: 3, lr: 1e-3}]")
    folder, result = trained_on(tmp_path, 10_000, "model02_normalized", *changes, inverted=True)
    done = call("predict", result, *album, "--json", cwd=folder)
    read = [row["digit"] for row in json.loads(done.stdout)]
    assert np.mean(np.array(read) == digits.labels[: len(album)]) > 0.8


@pytest.fixture(scope="module")
def scenes(trained, digits, tmp_path_factory, thorough):
    """Kinds of photos, and of each photo the digits that are on it and those that are read.

    Digits are beyond the first thousand, on which no threshold was chosen.
    """
    folder, result = trained
    album, truths = tmp_path_factory.mktemp("scenes"), {}
    for kind, scene in photo_scenes.SCENES.items():
        for number in range(30 if thorough else 3):
            first = 1001 + (zlib.crc32(kind.encode()) + 6 * number) % 8990
            shown = slice(first, first + 2 * scene.digits, 2)
            path = album / f"{kind}-{number}.png"
            photo_scenes.picture(kind, 5000 + number, digits.images[shown]).save(path)
            truths[str(path)] = (kind, digits.labels[shown].tolist())
    done = call("predict", result, *truths, "--json", cwd=folder)
    said = {path: [] for path in truths}
    for row in json.loads(done.stdout):
        said[row["image"]].append(row["digit"])
        assert row["position"] == len(said[row["image"]]) <= row["digits_in_image"]
    pairs = {kind: [] for kind in photo_scenes.SCENES}
    for path, (kind, truth) in truths.items():
        pairs[kind].append((truth, said[path]))
    return pairs


@pytest.mark.parametrize("kind", [k for k, scene in photo_scenes.SCENES.items() if scene.digits])
def test_digits_are_read_whatever_is_around_them(scenes, kind):
    """Nine in ten of each kind: boxed, underlined, on a sheet, in a row, red on green."""
    right = sum(truth == said for truth, said in scenes[kind])
    assert right >= len(scenes[kind]) - max(1, len(scenes[kind]) // 10)


@pytest.mark.parametrize("kind", [k for k, s in photo_scenes.SCENES.items() if not s.digits])
def test_empty_form_is_no_digit(scenes, kind):
    assert all(said == [] for _, said in scenes[kind])


def test_most_photos_of_one_digit_are_right(scenes):
    pairs = [pair for kind in scenes for pair in scenes[kind] if len(pair[0]) == 1]
    assert sum(truth == said for truth, said in pairs) >= 0.95 * len(pairs)


def test_each_of_several_digits_has_its_own_line(trained, digits, tmp_path):
    folder, result = trained
    path = tmp_path / "row.png"
    photo_scenes.picture("side_by_side", 1, digits.images[:3]).save(path)
    done = call("predict", result, path, "--show", cwd=folder)
    assert [line.split(")")[1].split()[0] for line in done.stdout.splitlines()[1:4]] == [*"721"]
    for number in (1, 2, 3):
        assert done.stdout.count(f"{path} ({number} of 3)") == 2  # in the table and above a drawing


def test_table_names_each_image_and_its_three_digits(trained, album):
    folder, result = trained
    done = call("predict", result, *album[:2], cwd=folder)
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["image", "digit", "probability", "second", "third"]
    assert [line.split()[:2] for line in lines] == [
        [str(path), digit] for path, digit in zip(album, NAMES[:2], strict=False)
    ]
    assert all(line.count(" %") == 3 for line in lines)


def test_bad_images_are_told_and_the_others_predicted(trained, album, tmp_path):
    """I5, I6: one line each on stderr, exit code 3."""
    folder, result = trained
    (tmp_path / "text.png").write_text("no image\n")
    (tmp_path / "evil\x1b[31m\nname.png").write_text("")
    bad = [*tmp_path.iterdir(), tmp_path, tmp_path / "missing.png", "-"]
    done = call("predict", result, bad[0], album[0], *bad[1:], album[2], "--json", cwd=folder)
    assert done.returncode == ExitCode.DATA
    assert [row["digit"] for row in json.loads(done.stdout)] == [7, 1]
    lines = done.stderr.splitlines()
    assert len(lines) == len(bad)
    assert sum("no image; expected PNG, JPEG, WEBP, GIF or BMP" in line for line in lines) == 2
    assert "\x1b" not in done.stderr
    none = call("predict", result, *bad, "--json", "--figure", "none.png", cwd=folder)
    assert (none.returncode, json.loads(none.stdout)) == (ExitCode.DATA, [])
    assert not (folder / "none.png").exists()


def test_names_are_printed_without_what_a_terminal_would_obey(trained, album, tmp_path):
    """I6: control characters, line ends, bytes that are no text."""
    folder, result = trained
    names = [b"\x1b]0;title\x07.jpg", b"two\nlines.jpg", b"\xff\xfe.jpg"]
    paths = [os.path.join(os.fsencode(tmp_path), name) for name in names]  # noqa: PTH118
    for path in paths:
        os.link(album[0], path)
    done = call("predict", result, *map(os.fsdecode, paths), "--show", cwd=folder)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4 + 3 * 16
    assert all(line.isprintable() for line in done.stdout.splitlines())


def test_what_the_network_saw_is_drawn_in_letters_without_a_terminal(trained, album):
    folder, result = trained
    done = call("predict", result, album[0], "--show", cwd=folder)
    drawing = done.stdout.split(f"\n\n{album[0]}\n")[1].splitlines()
    assert len(drawing) == 14
    assert max(map(len, drawing)) <= 28
    assert set("".join(drawing)) <= set(" .:-=+*#%@")
    assert "@" in "".join(drawing)


def test_colour_terminal_shows_greys_and_no_color_letters(trained, album):
    folder, result = trained
    code = (
        "import pty, sys; command = [sys.executable, '-m', 'mnistladder', *sys.argv[1:]]; "
        "sys.exit(pty.spawn(command) >> 8)"
    )
    shown = {}
    for wish in ("", "1"):
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONUTF8": "1",
            "NO_COLOR": wish,
        }
        shown[wish] = subprocess.run(
            [sys.executable, "-c", code, "predict", result, str(album[0]), "--show"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=True,
        ).stdout.decode()
    assert shown[""].count("▀") == 14 * 28
    assert "\x1b[38;2;255;255;255" in shown[""]
    assert "▀" not in shown["1"]
    assert "@" in shown["1"]


def test_figure_holds_what_the_network_saw_side_by_side(trained, album):
    folder, result = trained
    done = call("predict", result, *album[:12], "--figure", "out/seen.png", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    with Image.open(folder / "out" / "seen.png") as image:
        assert image.size == (10 * 112, 2 * 112)
        found = np.asarray(image)
    assert np.array_equal(found[:112:4, 112:224:4], photos.read(album[1])[0])
    assert not found[112:, 224:].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", "seen.jpg"], "seen.jpg: what the network saw is written as .png"),
        (["--json", "--show"], "give one of them"),
        (["--seed", "0", "--runs-dir", "elsewhere"], "no such result in elsewhere"),
    ],
)
def test_mistakes_of_the_command_line_are_told_before_images_are_read(
    trained, tmp_path, arguments, message
):
    folder, result = trained
    done = call("predict", result, tmp_path / "missing.png", *arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert message in done.stderr
    assert "missing.png" not in done.stderr


def test_device_that_is_not_here_is_told(trained, album):
    folder, result = trained
    done = call("predict", result, album[0], "--device", "cuda:99", cwd=folder)
    assert (done.returncode, done.stdout) == (ExitCode.RESOURCE, "")


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width, height, body=b""):
    """A PNG file that promises so many pixels, and has hardly any."""

    def chunk(name, content):
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def odd_files(digit):
    """Names and bytes of files that are no photo of a digit, or an odd one."""
    page = Image.open(io.BytesIO(photo(digit))).convert("RGB")
    small = page.resize((80, 60))
    whole = {kind: encoded(small, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")}
    for kind, content in whole.items():
        for part in (1, 2, 5, 9):
            yield f"{kind} cut at {part}0 %", content[: len(content) * part // 10]
        flipped = bytearray(content)
        for place in range(30, len(content), 97):
            flipped[place] ^= 0x5A
        yield f"{kind} flipped", bytes(flipped)
        yield f"{kind} as another.txt", content
    grey = small.convert("L")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80), np.uint8))
    yield "empty.png", b""
    yield "text.png", b"seven\n"
    yield "bomb.png", png_header(50_000, 50_000, bytes(10**6))
    yield "wide bomb.png", png_header(2**31 - 1, 1)
    yield "no width.png", png_header(0, 10)
    yield "no pixels.png", png_header(4_000, 4_000)
    yield "drawing.svg", b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L9 9"/></svg>'
    yield "page.pdf", b"%PDF-1.7\n%%EOF\n"
    yield "page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    yield "scan.tiff", encoded(grey, "TIFF")
    yield "pixels.ppm", encoded(grey, "PPM")
    yield "animated.gif", encoded(grey, "GIF", save_all=True, append_images=[noise] * 3)
    yield "animated.webp", encoded(small, "WEBP", save_all=True, append_images=[small] * 3)
    yield "cmyk.jpg", encoded(small.convert("CMYK"), "JPEG")
    yield "cut cmyk.jpg", encoded(small.convert("CMYK"), "JPEG")[:700]
    yield "pixel.png", encoded(Image.new("L", (1, 1)), "PNG")
    yield "line.png", encoded(Image.new("L", (1, 10_000)), "PNG")
    yield "noisy line.png", encoded(noise.resize((10_000, 4)), "PNG")
    yield "white.png", encoded(Image.new("L", (300, 400), 255), "PNG")
    yield "black.jpg", encoded(Image.new("RGB", (300, 400)), "JPEG")
    yield "noise.png", encoded(noise, "PNG")
    yield "nothing.png", encoded(Image.new("RGBA", (50, 50)), "PNG")
    yield "palette.png", encoded(grey.quantize(4), "PNG", transparency=0)
    yield "16 bits.png", encoded(Image.fromarray(np.asarray(grey).astype(np.uint16) * 257), "PNG")
    yield "1 bit.png", encoded(grey.convert("1"), "PNG")
    yield "LA.png", encoded(grey.convert("LA"), "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned.jpg", encoded(small, "JPEG", exif=exif)
    yield "bad exif.jpg", encoded(small, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\1" * 40)
    yield "long text.png", encoded(grey, "PNG", pnginfo=_text(30 * 2**20))
    yield "\x1b[2Jescape\nline.png", b"\x1b[2J"


def _text(length):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("comment", "a" * length, zip=True)
    return info


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, digits):
    """Those files in a folder, and in it what is no file."""
    folder = tmp_path_factory.mktemp("corpus")
    for name, content in odd_files(digits.images[0]):
        (folder / name).write_bytes(content)
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "fifo.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    (folder / "nowhere.png").symlink_to("missing")
    return sorted(folder.iterdir())


def test_any_odd_file_is_predicted_or_told(trained, corpus):
    """I1 to I6: all of them in one process and a minute; no traceback, exit code 3."""
    folder, result = trained
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "mnistladder", "predict", result, *corpus, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == ExitCode.DATA, done.stderr
    told = done.stderr.splitlines()
    assert all(line.startswith(f"mnistladder: {corpus[0].parent}/") for line in told)
    assert "\x1b" not in done.stderr
    assert len(corpus) >= 60
    rows = {os.path.basename(row["image"]): row for row in json.loads(done.stdout)}  # noqa: PTH119
    assert len(rows) + len(told) == len(corpus)
    good = {"animated.gif", "cmyk.jpg", "16 bits.png", "LA.png", "PNG as another.txt"}
    assert {rows[name]["digit"] for name in good} == {7}
    for name in ("bomb.png", "fifo.png", "white.png", "drawing.svg", "scan.tiff", "zero.png"):
        assert sum(f"/{name}: " in line for line in told) == 1


def test_reading_odd_files_takes_little_time_and_memory(corpus, tmp_path):
    """I3, I6: 1 GiB for all of them and for the largest image that is allowed; one at a time."""
    Image.new("RGBA", (5000, 5000), "red").save(tmp_path / "large.png")
    code = """if True:
        import pathlib, sys, time
        from mnistladder import errors
        from mnistladder.data import photos
        for name in sys.argv[1:]:
            start = time.perf_counter()
            try:
                photos.read(pathlib.Path(name))
            except errors.DataError as error:
                assert "memory" not in str(error).lower(), error
            assert time.perf_counter() - start < 5, name"""
    limit = 2**30
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *corpus, tmp_path / "large.png"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


SEEDS = {
    kind: encoded(Image.effect_mandelbrot((40, 30), (-2, -1, 1, 1), 50), kind)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")
}


@settings(settings.get_profile("fuzz"), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=8),
    st.integers(0, 5_000),
)
def test_any_changed_bytes_are_a_digit_or_told(tmp_path_factory, capfd, kind, changes, length):
    """I7: of every format; nothing is written to stderr by a decoder either."""
    content = bytearray(SEEDS[kind])
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "fuzz.png"
    path.write_bytes(content[: length or None])
    try:
        found = photos.read(path)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert {(digit.shape, digit.dtype) for digit in found} == {((28, 28), np.dtype(np.uint8))}
    assert capfd.readouterr().err == ""
