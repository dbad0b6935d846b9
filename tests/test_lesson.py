"""Every command of the lesson, in its order, in one folder, on a few hundred digits."""

import re
from pathlib import Path

import numpy as np
import pytest
from commands import call
from PIL import Image

from mnistladder.config import cost
from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.runs import results

BOARD = Path(__file__).parents[1] / "results"
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


def networks_of(command):
    """The configs that a command trains, and at how many seeds."""
    seeds = int(command[command.index("--seeds") + 1]) if "--seeds" in command else 1
    if command[0] not in ("run", "ladder") or command[1].endswith(".yaml"):
        return []
    names = [command[1]] if command[0] == "run" else rungs_between(command[1])
    return [(load_rung(name).config, seeds) for name in names]


def rungs_between(text):
    first, _, last = text.partition("-")
    numbers = range(int(first), int(last or first) + 1)
    return [n for n in shipped_names() if n.count("_") == 1 and int(n[5:7]) in numbers]


def training_s(commands):
    """Seconds on two cores, at the speeds of the committed board; a network is trained once."""
    board, seconds = list(results.all_results(BOARD)), {}
    for config, seeds in (network for command in commands for network in networks_of(command)):
        speed = cost.images_per_second(config, board)
        taken = seeds * cost.images_to_train(config) / speed / min(2, seeds)
        seconds[config.title] = max(taken, seconds.get(config.title, 0))
    return sum(seconds.values())


def test_lesson_fits_its_time():
    """Sections follow each other up to the title's minutes; training takes half of one at most."""
    text = LESSON.read_text()
    sections = re.findall(
        r"^## (\d+) to (\d+) minutes(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE
    )
    ends = [int(end) for _, end, _ in sections]
    assert [int(start) for start, _, _ in sections] == [0, *ends[:-1]]
    assert f"in {ends[-1]} minutes" in text.splitlines()[0]
    for start, end, section in sections:
        commands = [line.split()[1:] for line in section.splitlines() if line[:6] == "mnistl"]
        assert len(commands) > 2
        assert training_s(commands) < 60 * (int(end) - int(start)) / 2


def test_training_is_counted():
    assert networks_of(["report"]) == []
    assert len(rungs_between("3-6")) == 4
    assert training_s([["run", "model09_dropout"]]) > 30
    assert training_s([["ladder", "10-11", "--seeds", "3"]]) > 600


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
