"""Contradictions and plans without bounds are refused before anything is laid out."""

import time

import pytest
import small

from mnistladder.config import limits, loading
from mnistladder.config.spec import Phase, Rung
from mnistladder.errors import ConfigError, UsageError
from mnistladder.ladder.stages import member_stages

GOOD = """title: T
model: [flatten, dense: {out: 10}]
phases:
  - {epochs: 1, lr: 1e-4}
"""


@pytest.fixture
def load(tmp_path):
    """Loads a YAML text as the file x.yaml."""

    def load_text(text, *overrides):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return loading.load_rung(str(path), overrides)

    return load_text


def problems(load, text):
    """The problems of a bad config as (line, column, message)."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def test_contradictions_are_told_together(load):
    text = GOOD.replace("1e-4", "1e-4, pseudo_per_batch: 40, augment: true")
    found = [message for line, _, message in problems(load, text) if line == 4]
    assert len(found) == 4
    for part in (
        "top-level `pool:`",
        "smaller than the batch size, 32",
        "not in the first",
        "the ranges",
    ):
        assert any(part in message for message in found)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "phases",
            "loss: clipped_cross_entropy\nlabel_smoothing: 0.1\nphases",
            "needs `loss: cross_e",
        ),
        ("phases", "batch_size: 1\nphases", "batch normalisation needs at least 2 images"),
        ("out: 10", "out: 1048576}, dense: {out: 10", "parameters; at most 200,000,000 are"),
        ("[", "[conv: {out: 7000}, conv: {out: 1}, ", "GiB of memory; at most 8 GiB"),
    ],
)
def test_impossible_combination_is_told(load, old, new, expected):
    text = GOOD.replace("flatten", "flatten, batchnorm").replace(old, new, 1)
    if "GiB" in expected:
        text += "batch_size: 8192\n"
    assert any(expected in message for _, _, message in problems(load, text))


def plan(members, phases, keys="new_stage: true"):
    """A config whose phases after the first all have these keys."""
    more = f"  - {{epochs: 1, lr: 1, {keys}}}\n" * (phases - 1)
    return f"{GOOD}{more}members: {members}\npool: test\n"


@pytest.mark.parametrize(
    ("members", "phases"), [(1000, 1000), (1000, 11), (11, 1000), (501, 1000), (1, 1000)]
)
def test_plan_of_too_many_stages_is_refused_at_once(load, members, phases):
    start = time.perf_counter()
    [(line, column, message)] = problems(load, plan(members, phases))
    assert time.perf_counter() - start < 2
    assert (line, column) == (3, 1)
    assert f"{members:,} members x {phases:,} stages x {phases:,} phases" in message


def test_pseudo_labelling_begins_stages_too(load):
    assert problems(load, plan(1000, 11, "pseudo_per_batch: 1"))
    assert load(plan(1000, 2, "pseudo_per_batch: 1")).config.stages == 2000


@pytest.mark.parametrize(("members", "phases"), [(1000, 2), (5, 300), (1, 700), (1, 1)])
def test_plan_within_the_bounds_is_accepted(load, members, phases):
    assert load(plan(members, phases)).config.stages == members * phases


def test_phases_that_share_a_stage_are_no_stages(load):
    assert load(plan(500, 1000, "augment: false")).config.stages == 500
    assert problems(load, plan(501, 1000, "augment: false"))


def test_epochs_of_all_phases_are_bounded(load):
    text = GOOD.replace("epochs: 1", "epochs: 10000") + "  - {epochs: 10000, lr: 1}\n" * 10
    [(line, column, message)] = problems(load, text)
    assert (line, column) == (3, 1)
    assert message == "`phases`: 110,000 epochs in all; at most 100,000 are allowed"
    assert load(text.replace("  - {epochs: 10000, lr: 1}\n", "", 1)).config.epochs == 100_000


@pytest.mark.parametrize(("members", "last"), [(1, {}), (3, {"new_stage": True})])
def test_stages_are_those_that_the_ladder_lays_out(source, members, last):
    config = small.tiny(members=members, phases=small.phases(1, 1, 1, **last))
    laid_out = member_stages(config, 0, source)
    assert config.stages == sum(len(level) for level in laid_out)


def test_seeds_and_rungs_multiply_the_plan():
    rung = Rung("x", small.tiny(members=5))
    limits.check_plan([rung], 2000)
    with pytest.raises(UsageError, match="2,001 seeds of 1 rungs are 10,005 trainings"):
        limits.check_plan([rung], 2001)
    with pytest.raises(UsageError, match="at most 10,000 at once"):
        limits.check_plan([rung, rung], 1001)
    long = Rung("y", small.tiny(phases=(Phase(epochs=1, lr=1.0),) * 1000))
    limits.check_plan([long], 500)
    with pytest.raises(UsageError):
        limits.check_plan([long], 501)
