"""`predict` on photos of test digits, and on a corpus of files that are none."""

import io
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest
from commands import call
from PIL import Image

from mnistladder import data, results
from mnistladder.cli import predict as command
from mnistladder.errors import ExitCode

MNIST = data.find("mnist").load()
PLAN = ["--set", "phases=[{epochs: 2, lr: 2e-3}]"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a network that learnt from 20,000 digits, and its name."""
    folder = tmp_path_factory.mktemp("trained")
    for names, split, count in zip(
        data.FILES.values(), (MNIST.train, MNIST.test), (20_000, 1_000), strict=True
    ):
        for name, array in zip(names, (split.images, split.labels), strict=True):
            (folder / name).write_bytes(data.encode_idx(array[:count]))
    done = call("run", "model06_maxpool", *PLAN, "--data-dir", folder, "--quiet", "--jobs", 1,
                cwd=folder)  # fmt: skip
    assert done.returncode == 0
    [record] = results.all_results(folder / "runs")
    return folder, record["result_id"]


def photo(digit):
    """A test digit as a JPEG of 300 x 400 pixels in colour, dark on light, with a margin."""
    drawn = Image.fromarray(255 - digit).resize((240, 240), Image.Resampling.BICUBIC)
    sheet = Image.new("RGB", (300, 400), (245, 240, 230))
    sheet.paste(drawn.convert("RGB"), (30, 80))
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG")
    return buffer.getvalue()


def png(width, height, content=b""):
    """A PNG file that promises so many pixels."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", content)
        + chunk(b"IEND", b"")
    )


def encoded(kind, **options):
    image = Image.fromarray(255 - MNIST.test.images[0]).resize((60, 60))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def corpus():
    """File contents by name that hold no digit, or hold one in an odd way."""
    whole = photo(MNIST.test.images[0])
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    rows = b"\0" + b"\xff" * 6000
    files = {f"cut-{n}.jpg": whole[:n] for n in (1, 10, 100, 500, 2000, len(whole) - 20)}
    small = encoded("PNG")
    files |= {f"cut-{n}.png": small[:n] for n in (4, 20, 60, len(small) // 2, len(small) - 4)}
    for place in range(20, len(small), len(small) // 8):
        files[f"flip-{place}.png"] = (
            small[:place] + bytes([small[place] ^ 255]) + small[place + 1 :]
        )
    return files | {
        "empty.png": b"", "text.png": b"a digit", "null.jpg": bytes(1000),
        "image.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><text>7</text></svg>",
        "document.pdf": b"%PDF-1.4\n%%EOF", "photoshop.psd": b"8BPS\0\1" + bytes(40),
        "fits.png": b"SIMPLE  =                    T" + bytes(3000),
        "animated.gif": encoded("GIF"), "scan.tif": encoded("TIFF"), "old.bmp": encoded("BMP"),
        "wrong-suffix.jpg": small, "none": small, "noise.png": buffer.getvalue(),
        "huge-header.png": png(50_000, 50_000), "wide-header.png": png(2**31 - 1, 1),
        "no-pixels.png": png(0, 5), "bomb.png": png(6000, 6000, zlib.compress(rows * 6000)),
        "one.png": png(1, 1, zlib.compress(b"\0\0")), "comment.png": small + b"x" * 10**6,
        "line\nend.png": b"x", "escape\x1b[31m.png": b"x", "é.png": whole, "-": b"x",
    }  # fmt: skip


def test_photos_of_test_digits_are_read_right(trained, tmp_path):
    folder, result = trained
    paths = []
    for number, digit in enumerate(MNIST.test.images[:100]):
        paths.append(tmp_path / f"{number}.jpg")
        paths[-1].write_bytes(photo(digit))
    done = call("predict", result, *paths, "--json", cwd=folder)
    rows = json.loads(done.stdout)
    said = [row["digit"] for row in rows]
    assert (np.array(said) == MNIST.test.labels[:100]).sum() >= 95
    for row in rows:
        chances = [one["probability"] for one in row["top"]]
        assert chances == sorted(chances, reverse=True)
        assert (row["digit"], row["probability"]) == tuple(row["top"][0].values())
        assert sum(chances) <= 1 + 1e-6


@pytest.mark.parametrize("name", corpus())
def test_any_file_is_predicted_or_told_in_one_line(trained, tmp_path, name):
    """I1, I3, I4, I5, I6, I7."""
    folder, result = trained
    path = tmp_path / name
    path.write_bytes(corpus()[name])
    good = tmp_path / "good.jpg"
    good.write_bytes(photo(MNIST.test.images[0]))
    start = time.perf_counter()
    done = call("predict", result, path, good, cwd=folder)
    assert time.perf_counter() - start < 5
    lines = done.stdout.splitlines()
    assert lines[-1].startswith(f"{good}: 7 ")
    if done.returncode == 0:
        assert (len(lines), done.stderr) == (2, "")
    else:
        assert (done.returncode, len(lines)) == (ExitCode.DATA, 1)
        assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stdout + done.stderr


def test_corpus_is_large():
    assert len(corpus()) >= 30
    assert len(set(corpus().values())) > 30


def test_what_is_no_file_is_told_at_once(trained, tmp_path):
    """I6: a folder, a pipe, a device, nothing, no permission, a name that is no text."""
    folder, result = trained
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    strange = os.fsdecode(bytes(tmp_path) + b"/\xff.png")
    paths = [tmp_path / "pipe", tmp_path / "folder", tmp_path / "gone.png", "/dev/zero", strange]
    done = call("predict", result, *paths, cwd=folder)
    assert (done.returncode, done.stdout) == (ExitCode.DATA, "")
    assert len(done.stderr.splitlines()) == len(paths)


def test_bomb_takes_no_memory(tmp_path):
    """I3: refused by its header, in a process that may not have much."""
    path = tmp_path / "bomb.png"
    path.write_bytes(corpus()["bomb.png"])
    script = (
        "import sys\nfrom pathlib import Path\nfrom mnistladder import photos\n"
        "try:\n    photos.read(Path(sys.argv[1]))\nexcept Exception as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (300 * 2**20, 300 * 2**20)),
    )  # fmt: skip
    assert "6,000 x 6,000 pixels; at most" in done.stdout


def test_network_and_its_picture_are_shown(trained, tmp_path):
    folder, result = trained
    path = tmp_path / "seven.jpg"
    path.write_bytes(photo(MNIST.test.images[0]))
    done = call("predict", result, path, "--show", "--figure", tmp_path / "saw.png", cwd=folder)
    first, *drawn = done.stdout.splitlines()
    assert first.startswith(f"{path}: 7 ")
    assert len(drawn) == 14
    assert max(map(len, drawn)) <= 28
    assert "@" in "".join(drawn) or "%" in "".join(drawn)
    with Image.open(tmp_path / "saw.png") as picture:
        assert picture.size == (112, 112)
    refused = call("predict", result, path, "--figure", "saw.jpg", cwd=folder)
    assert refused.returncode == ExitCode.USAGE


def test_drawing_has_each_pixel_in_grey_on_a_terminal(monkeypatch, capsys):
    from rich.console import Console

    console = Console(force_terminal=True, color_system="truecolor", no_color=False, width=80)
    monkeypatch.setattr(command.base, "output", lambda: console)
    pixels = np.arange(784, dtype=np.uint64).reshape(28, 28).astype(np.uint8)
    command.draw(pixels)
    shown = capsys.readouterr().out
    assert len(shown.splitlines()) == 14
    assert shown.count("▀") == 14 * 28
    assert "38;2;5;5;5;48;2;33;33;33" in shown


def test_result_without_networks_says_how_to_get_them(tmp_path):
    board = data.MNIST_DIR.parents[2] / "results"
    done = call("predict", "model09_dropout", tmp_path / "x.png", "--runs-dir", board, cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "mnistladder reproduce " in done.stderr
