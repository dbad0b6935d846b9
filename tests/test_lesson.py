"""Every command of the lesson, in its order, in one folder, on a few hundred digits."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from commands import call
from PIL import Image

from mnistladder.report.summary import make_rows
from mnistladder.runs import results

TOP = Path(__file__).parents[1]
LESSON = TOP / "docs" / "lesson.md"
CORES = 2
SHORTENED = {"10000": "128", "10": "1", "6": "1", "3": "1"}  # images held out, and seeds
BLOCKS = re.findall(r"```bash\n(.*?)```", LESSON.read_text(), re.DOTALL)
COMMANDS = [shlex.split(line)[1:] for block in BLOCKS for line in block.splitlines()]
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


@pytest.fixture(scope="module")
def train_s():
    """Seconds of training of each rung with one seed on one core, by the committed board.

    A variant takes at most what its rung takes an epoch: some were trained on a busy machine.
    """
    rows = {row.name: row for row in make_rows(results.all_results(TOP / "results"))}
    an_epoch = {name: row.train_s_mean / row.epochs for name, row in rows.items()}
    return {
        name: row.epochs * min(an_epoch[name], an_epoch[row.variant_of or name])
        for name, row in rows.items()
    }


def seconds(command, train_s, stored):
    """How long a `run` or a `ladder` of the board's rungs trains on two cores.

    `stored` has the seeds that are trained already, by rung; this command's are added.
    """
    words = command.split()[1:]
    if words[0] not in ("run", "ladder"):
        return 0
    seeds = int(words[words.index("--seeds") + 1]) if "--seeds" in words else 1
    first, _, last = words[1].partition("-")
    numbers = [*range(int(first), int(last) + 1)] if first.isdigit() else []
    chosen = [
        name for name in train_s if name == words[1] or name[5:7] in map("{:02}".format, numbers)
    ]
    rungs = [name for name in chosen if not numbers or name.count("_") == 1]
    missing = {name: max(seeds - stored.get(name, 0), 0) for name in rungs}
    stored.update({name: max(seeds, stored.get(name, 0)) for name in rungs})
    networks = sum(missing.values())
    return sum(train_s[name] * count for name, count in missing.items()) / min(CORES, networks or 1)


def sections(text):
    """The first and last minute of each part of the lesson, and its commands."""
    for part in text.split("\n## ")[1:]:
        if minutes := re.match(r"(\d+) to (\d+) minutes", part):
            blocks = re.findall(r"```bash\n(.*?)```", part, re.DOTALL)
            yield int(minutes[1]), int(minutes[2]), "".join(blocks).splitlines()


def test_minutes_of_the_lesson_follow_each_other():
    times = [(first, last) for first, last, _ in sections(LESSON.read_text())]
    assert [first for first, _ in times] == [0, *(last for _, last in times[:-1])]
    assert times[-1][1] == 45


def test_training_takes_at_most_half_of_the_time_of_its_part(train_s):
    stored = {}
    for first, last, commands in sections(LESSON.read_text()):
        trained = sum(seconds(command, train_s, stored) for command in commands)
        assert trained < (last - first) * 60 / 2, commands


def test_training_that_takes_too_long_is_noticed(train_s):
    assert seconds("mnistladder ladder 10-11 --seeds 3", train_s, {}) > 10 * 60
    assert seconds("mnistladder ladder 3-6 --seeds 3", train_s, {}) == pytest.approx(119, abs=5)
    assert seconds("mnistladder run model09_dropout", train_s, {}) == pytest.approx(97, abs=5)


def test_seeds_that_were_trained_before_take_no_time(train_s):
    stored = {}
    three = seconds("mnistladder run model05_conv --seeds 3", train_s, stored)
    assert seconds("mnistladder run model05_conv --seeds 3", train_s, stored) == 0
    assert seconds("mnistladder run model05_conv --seeds 6", train_s, stored) == three > 0


def test_lesson_shows_the_commands_that_look():
    assert len(COMMANDS) > 20
    assert {"predict", "compare", "gallery", "new", "data"} <= {command[0] for command in COMMANDS}


def test_every_command_of_the_lesson_works(classroom, digits_dir):
    for command in COMMANDS:
        shortened = [SHORTENED.get(word, word) for word in command]
        if command[0] in ON_DATA:
            shortened += ["--data-dir", digits_dir, *ON_DATA[command[0]]]
        done = call(*shortened, cwd=classroom)
        assert done.returncode == 0, (command, done.stderr)
    for name in ("digits.png", "errors.png", "report.html", "mine.yaml"):
        assert (classroom / name).stat().st_size > 100
    with Image.open(classroom / "model09_dropout-seed-0-gallery" / "sure-right.png") as picture:
        assert np.asarray(picture).std() > 0
