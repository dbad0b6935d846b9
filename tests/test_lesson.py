"""Every command of the lesson, in its order, in one folder, on a few hundred digits."""

import re
from pathlib import Path

import numpy as np
import pytest
from commands import call
from PIL import Image

LESSON = Path(__file__).parents[1] / "docs" / "lesson.md"
BLOCKS = re.findall(r"```bash\n(.*?)```", LESSON.read_text(), re.DOTALL)
COMMANDS = [line.split()[1:] for block in BLOCKS for line in block.splitlines()]
ON_DATA = {
    "run": ["--quiet", "--jobs", "1"],
    "ladder": ["--quiet", "--jobs", "1"],
    "gallery": [],
    "errors": [],
}


@pytest.fixture(scope="module")
def classroom(tmp_path_factory, source):
    """A folder where the lesson's photograph of a digit lies."""
    folder = tmp_path_factory.mktemp("classroom")
    digit = Image.fromarray(255 - source.load().test.images[0]).resize((280, 280))
    photo = Image.new("L", (400, 400), 255)
    photo.paste(digit, (60, 60))
    photo.save(folder / "digit.jpg")
    return folder


def test_lesson_fits_its_time():
    assert len(COMMANDS) > 20
    assert {"predict", "compare", "gallery", "new", "data"} <= {command[0] for command in COMMANDS}


def test_every_command_of_the_lesson_works(classroom, digits_dir):
    for command in COMMANDS:
        shortened = [*command]
        if command[0] in ON_DATA:
            shortened += ["--data-dir", digits_dir, *ON_DATA[command[0]]]
        done = call(*shortened, cwd=classroom)
        assert done.returncode == 0, (command, done.stderr)
    for name in ("digits.png", "errors.png", "report.html", "mine.yaml"):
        assert (classroom / name).stat().st_size > 100
    with Image.open(classroom / "model09_dropout-seed-0-gallery" / "sure-right.png") as picture:
        assert np.asarray(picture).std() > 0
