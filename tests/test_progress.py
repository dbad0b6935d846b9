"""What users see of training, on a terminal and elsewhere."""

import io
from contextlib import closing

import pytest
from rich.console import Console

from mnistladder.errors import ExitCode
from mnistladder.events import EpochDone, Failed, Finished, Notice, Started
from mnistladder.loading import load_rung
from mnistladder.progress import LiveReporter, PlainReporter, Reporter, make_reporter
from mnistladder.targets import Target

ROW = {"epoch": 1, "loss": 0.5, "test_errors": 7, "images": 512, "train_s": 2.0, "eval_s": 0.5}


@pytest.fixture
def stage(source):
    return next(Target(load_rung("model02_normalized"), 0, source).stages)


def reporter(stage, *, terminal=False, quiet=False):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    made = make_reporter({stage.key: stage}, {stage.key: "rung"}, 1, console, quiet)
    return made, console.file


def tell(made, key):
    with closing(made):
        made(Started(key, 0, "cpu"))
        made(EpochDone(key, ROW))
        made(Notice(key, "waits"))
        made(Finished(key))


def test_plain_reporter_prints_a_line_an_event(stage):
    made, text = reporter(stage)
    tell(made, stage.key)
    assert isinstance(made, PlainReporter)
    assert text.getvalue().splitlines() == [
        "rung: 5 epochs on cpu",
        "rung: epoch 1/5  loss 0.5000  test errors 7  256 images/s  10 s left",
        "rung: waits",
    ]


def test_quiet_reporter_prints_notices_alone(stage):
    made, text = reporter(stage, quiet=True, terminal=True)
    tell(made, stage.key)
    assert (type(made), text.getvalue()) == (Reporter, "rung: waits\n")


def test_live_reporter_draws_bars_and_leaves_none(stage):
    made, text = reporter(stage, terminal=True)
    tell(made, stage.key)
    assert isinstance(made, LiveReporter)
    assert "1/5" in text.getvalue()
    assert made.bars.finished or not made.tasks


def test_time_left_counts_resumed_and_failed_stages(stage):
    made, _ = reporter(stage)
    made(Started(stage.key, 3, "cpu"))
    made(EpochDone(stage.key, ROW))
    assert made.remaining.seconds_left() == pytest.approx(2.5)
    made(Failed(stage.key, "why", ExitCode.FAILED))
    assert made.remaining.seconds_left() == 0
