"""What users see of training, on a terminal and elsewhere."""

import io
import re
from contextlib import closing

import pytest
import small
from record_data import history_row
from rich.console import Console

from mnistladder.cli.progress import LiveReporter, PlainReporter, Remaining, Reporter, make_reporter
from mnistladder.config.cost import OVERHEAD, multiply_adds
from mnistladder.config.loading import load_rung
from mnistladder.config.spec import Rung
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.events import EpochDone, Failed, Finished, Notice, Started
from mnistladder.ladder.executors import InProcess
from mnistladder.ladder.status import LadderStatus
from mnistladder.model.layers import Dense

ROW = history_row(loss=0.5, test_errors=7, images=512, train_s=2.0, eval_s=0.5)


@pytest.fixture
def stage(source):
    return next(Attempt(load_rung("model02_normalized"), 0, source).stages)


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
    assert isinstance(made, LiveReporter)
    with closing(made):
        made(Started(stage.key, 0, "cpu"))
        made(EpochDone(stage.key, ROW))
        assert [task.description for task in made.bars.tasks] == ["all epochs", "rung"]
        assert [task.completed for task in made.bars.tasks] == [1, 1]
        made(Finished(stage.key))
        assert [task.description for task in made.bars.tasks] == ["all epochs"]
        assert made.tasks == {}
    assert "1/5" in text.getvalue()


def test_time_left_counts_resumed_and_failed_stages(stage):
    made, _ = reporter(stage)
    made(Started(stage.key, 3, "cpu"))
    made(EpochDone(stage.key, ROW))
    assert made.remaining.seconds_left() == pytest.approx(2.5)
    made(Failed(stage.key, "why", ExitCode.FAILED))
    assert made.remaining.seconds_left() == 0


@pytest.mark.parametrize(("jobs", "seconds"), [(1, 24.0), (2, 14.0), (3, 14.0)])
def test_time_left_is_shared_by_the_jobs_but_never_shorter_than_the_longest_stage(
    source, jobs, seconds
):
    """Stages of 4 and 7 epochs, 2.5 and 2 seconds each; one epoch of the longer one is stored."""
    plans = [small.tiny(phases=small.phases(epochs)) for epochs in (5, 9)]
    short, long = (small.first_stage(plan, source) for plan in plans)
    remaining = Remaining({stage.key: stage for stage in (short, long)}, jobs)
    remaining(Started(short.key, 0, "cpu"))
    remaining(EpochDone(short.key, ROW))
    remaining(Started(long.key, 1, "cpu"))
    remaining(EpochDone(long.key, ROW.model_copy(update={"train_s": 1.75, "eval_s": 0.25})))
    assert remaining.seconds_left() == pytest.approx(seconds)


def test_time_left_of_a_stage_not_begun_is_scaled_by_its_cost(source):
    begun = small.first_stage(small.tiny(phases=small.phases(3)), source)
    wider = (*small.LAYERS[:-1], Dense(out=100), Dense(out=10))
    waiting = small.first_stage(small.tiny(phases=small.phases(3), model=wider), source)
    remaining = Remaining({stage.key: stage for stage in (begun, waiting)}, 1)
    remaining(EpochDone(begun.key, ROW))
    costs = [multiply_adds(stage.config) + OVERHEAD for stage in (begun, waiting)]
    assert costs[1] > costs[0]
    assert remaining.seconds_left() == pytest.approx(2.5 * 2 + 3 * 2.5 * costs[1] / costs[0])


def watch(source, runs, rungs, *, terminal=True, quiet=False, height=40, **console):
    """What is drawn of a climb of so many small rungs at two seeds, and the reporter."""
    attempts = [
        Attempt(Rung(f"rung{n}", small.tiny(title=f"{n}", batch_size=64 + n)), seed, source)
        for n in range(rungs)
        for seed in range(2)
    ]
    ladder = Ladder(attempts, runs)
    screen = Console(
        file=io.StringIO(), force_terminal=terminal, width=100, height=height, **console
    )
    names = {key: f"network {key[:4]}" for key in ladder.missing}
    made = make_reporter(ladder.missing, names, 1, screen, quiet, LadderStatus(ladder))
    with closing(made), closing(InProcess(runs, small.CPU, made)) as executor:
        for outcome in ladder.climb(executor, made):
            made.decided(outcome)
            if terminal and not quiet:
                made.bars.refresh()
    return made, screen.file.getvalue()


CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def rows_of(text, name):
    """The different states of a row of the table, in order."""
    lines = [" ".join(line.split()) for line in CONTROL.sub("", text).splitlines()]
    return list(dict.fromkeys(line for line in lines if line.startswith(f"{name} ")))


def test_live_view_shows_a_row_for_each_rung_as_it_climbs(tmp_path, source):
    made, text = watch(source, tmp_path, 2)
    first, second = (rows_of(text, name) for name in ("rung0", "rung1"))
    assert second[0] == "rung1 waiting 0/2 0/4 -"
    accuracy = f"{made.bars.statuses[0].accuracy:.2f} %"
    assert first[-1] == f"rung0 done 2/2 4/4 {accuracy}"
    assert any(row.startswith("rung0 running ") for row in first)
    assert "rung  " in CONTROL.sub("", text)
    assert "all epochs" in text


def test_live_view_goes_away_at_the_end(tmp_path, source):
    _, text = watch(source, tmp_path, 1)
    drawn = text.rpartition("rung0")[2]
    assert drawn.count("\x1b[2K") >= 3  # heading, rung and bar are erased
    assert CONTROL.sub("", drawn[drawn.rindex("\x1b[2K") :]).strip() == ""


@pytest.mark.parametrize("height", [8, 12])
def test_live_view_stays_within_the_terminal(tmp_path, source, height):
    made, text = watch(source, tmp_path, 9, height=height)
    frames = [CONTROL.sub("", frame) for frame in text.split("\x1b[2K")]
    assert max(frame.strip("\r\n").count("\n") + 1 for frame in frames) < height
    assert "..." not in text  # rich's mark of a view that it had to cut
    assert re.search(r"and \d waiting", CONTROL.sub("", text))
    assert len(made.bars.statuses) == 9


def test_live_view_has_no_colour_where_none_is_wanted(tmp_path, source):
    _, plain = watch(source, tmp_path / "plain", 1, no_color=True)
    _, coloured = watch(source, tmp_path / "coloured", 1, color_system="standard", no_color=False)
    colour = re.compile(r"\x1b\[(?:\d+;)*3[0-9]m")
    assert not colour.search(plain)
    assert colour.search(coloured)


def test_rungs_are_not_shown_without_a_terminal_nor_when_quiet(tmp_path, source):
    _, text = watch(source, tmp_path / "plain", 1, terminal=False)
    assert len(text.splitlines()) == 2 * 3
    assert all(line.startswith("network ") for line in text.splitlines())
    _, text = watch(source, tmp_path / "quiet", 1, quiet=True)
    assert text == ""
