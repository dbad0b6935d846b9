"""An estimate is the sum of its parts, and near to what then happens."""

import subprocess
import sys
import time
from contextlib import closing
from statistics import median

import pytest
import small
import torch

from mnistladder.config import cost
from mnistladder.config.loading import load_rung
from mnistladder.config.spec import Rung
from mnistladder.ladder import estimates, timing
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.ladder.speeds import Calibration, Speed
from mnistladder.model.layers import Conv, Dense, Flatten, MaxPool, Normalize, Relu

CPU = torch.device("cpu")
DENSE = (Normalize(), Flatten(), Dense(out=400), Relu(), Dense(out=10))
WIDE = (Normalize(), Conv(out=16), Relu(), MaxPool(), Conv(out=16), Flatten(), Dense(out=10))


def attempts(source):
    """Four seeds of one plan, which are stacked, and two plans more."""
    tiny, dense = small.tiny(phases=small.phases(20)), small.tiny(model=DENSE)
    wide = small.tiny(model=WIDE, phases=small.phases(4))
    plans = [("tiny", tiny, seed) for seed in range(4)] + [("dense", dense, 0), ("wide", wide, 0)]
    return [Attempt(Rung(name, config), seed, source) for name, config, seed in plans]


def climb_seconds(ladder):
    start = time.perf_counter()
    with closing(InProcess(ladder.runs, small.CPU, lambda event: None)) as executor:
        list(ladder.climb(executor, lambda event: None))
    return time.perf_counter() - start


def expected_and_taken(source, runs):
    known = Calibration(runs, small.CPU)
    ladder = Ladder(attempts(source), runs, 4)
    estimates.calibrate(ladder, 1, known, lambda config, n: timing.measure(config, n, CPU, runs))
    assert len(known.speeds) == 3
    expected = estimates.estimate(ladder, 1, known, source.sizes()).wall_s
    return expected, climb_seconds(ladder)


def test_time_of_a_small_ladder_is_within_a_factor_of_one_and_a_half(tmp_path, source, thorough):
    """The clock of a busy machine says little: only where it may take its time."""
    if not thorough:
        pytest.skip("compares with the clock: --thorough")
    ratios = []
    for repeat in range(5):
        expected, seconds = expected_and_taken(source, tmp_path / str(repeat))
        ratios.append(expected / seconds)
    assert 1 / 1.5 < median(ratios) < 1.5, ratios


TINY_SPEED = Speed(train_s=1e-3, augment_s=5e-4, evaluate_s=1e-4, store_s=0.25)
DENSE_SPEED = Speed(train_s=2e-3, augment_s=0.0, evaluate_s=2e-4, store_s=0.5)


def test_time_of_a_ladder_is_the_sum_of_its_stages_at_the_given_speeds(tmp_path, source):
    """Four stacked networks of 20 epochs at one speed, one network of 2 epochs at another."""
    ladder = Ladder(attempts(source)[:5], tmp_path, 4)
    assert sorted(ladder.stack_sizes(1).values()) == [1, *[4] * 4]
    known = Calibration(tmp_path, small.CPU)
    known.add(ladder.attempts[0].rung.config, 4, TINY_SPEED)
    known.add(ladder.attempts[4].rung.config, 1, DENSE_SPEED)
    known.start_s = 3.0
    tiny, dense = 20 * (600 * 1e-3 + 100 * 1e-4 + 0.25), 2 * (600 * 2e-3 + 100 * 2e-4 + 0.5)
    one = estimates.estimate(ladder, 1, known, (600, 100))
    assert sorted(one.stages.values()) == pytest.approx([dense, *[tiny] * 4])
    assert one.wall_s == pytest.approx(3.0 + 4 * tiny + dense)


def test_pseudo_labels_and_augmentation_take_their_time(tmp_path, source):
    plan = small.phases(1, 2, pseudo_per_batch=16, augment=True)
    config = small.tiny(phases=plan, pool="test")
    ladder = Ladder([Attempt(Rung("13", config), 0, source)], tmp_path)
    known = Calibration(tmp_path, small.CPU)
    known.add(config, 1, TINY_SPEED)
    first = 600 * 1e-3 + 100 * 1e-4 + 0.25
    second = 2 * ((600 + 13 * 16) * 1.5e-3 + 100 * 1e-4 + 0.25)
    found = estimates.estimate(ladder, 1, known, (600, 100))
    assert list(found.stages.values()) == pytest.approx([first, second])
    assert found.wall_s == pytest.approx(first + second)


def test_memory_is_that_of_the_largest_worker(tmp_path, source):
    ladder = Ladder(attempts(source)[:5], tmp_path, 4)
    tiny, dense = (ladder.attempts[index].rung.config for index in (0, 4))
    known = Calibration(tmp_path, small.CPU)
    known.add(tiny, 4, TINY_SPEED)
    known.add(dense, 1, DENSE_SPEED)
    known.start_mib = 200.0
    expected = [cost.peak_mib(tiny, 4, 700, 200.0), cost.peak_mib(dense, 1, 700, 200.0)]
    assert expected[0] != expected[1]
    assert estimates.estimate(ladder, 1, known, (600, 100)).peak_mib == max(expected)


PEAK = """
import sys, torch
from mnistladder import environment
from mnistladder.cli import app
if sys.argv[1:]:
    app(sys.argv[1:], standalone_mode=False)
print(environment.peak_mib(), file=sys.stderr)
"""


def peak_mib(*arguments):
    """The most memory of a process that runs the command line, or only imports torch."""
    command = [sys.executable, "-c", PEAK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stderr)


@pytest.mark.parametrize(
    ("rung", "networks", "options"),
    [
        ("model05_conv", 1, ["batch_size=512"]),
        ("model10_augmentation", 4, ["phases=[{epochs: 1, lr: 1e-3, augment: true}]"]),
    ],
)
def test_memory_is_within_a_factor_of_one_and_a_half(tmp_path, digits_dir, rung, networks, options):
    """What is more than torch itself must be, too: images and activations, alone and stacked."""
    start = peak_mib()
    options = ["phases.0.epochs=1", *options]
    found = peak_mib(
        "run",
        rung,
        "--data-dir",
        digits_dir,
        "--quiet",
        "--jobs",
        "1",
        "--seeds",
        networks,
        "--runs-dir",
        tmp_path,
        *(f"--set={option}" for option in options),
    )
    expected = cost.peak_mib(load_rung(rung, options).config, networks, 768, start)
    assert 1 / 1.5 < expected / found < 1.5
    assert 1 / 2 < (expected - start) / (found - start) < 2


def test_wall_time_is_shared_out_but_never_shorter_than_the_longest_chain(tmp_path, source):
    plan = small.phases(1, 1, pseudo_per_batch=16)
    config = small.tiny(phases=plan, pool="test")
    ladder = Ladder([Attempt(Rung("13", config), 0, source)], tmp_path)
    known = Calibration(tmp_path, small.CPU)
    known.add(config, 1, Speed(train_s=0.01, augment_s=0.0, evaluate_s=0.0, store_s=0.0))
    one, many = (estimates.estimate(ladder, workers, known, (600, 100)) for workers in (1, 8))
    assert one.wall_s == many.wall_s == sum(one.stages.values())  # one stage after the other
    ladder = Ladder([Attempt(Rung("2", small.tiny()), seed, source) for seed in range(8)], tmp_path)
    one, many = (estimates.estimate(ladder, workers, known, (600, 100)) for workers in (1, 8))
    assert one.wall_s == 8 * many.wall_s


def test_stored_stages_cost_nothing(tmp_path, source):
    ladder = Ladder([Attempt(Rung("2", small.tiny(phases=small.phases(1))), 0, source)], tmp_path)
    climb_seconds(ladder)
    again = Ladder(ladder.attempts, tmp_path)
    known = Calibration(tmp_path, small.CPU)
    assert estimates.is_calibrated(again, 1, known)
    assert estimates.estimate(again, 1, known, (600, 100)).stages == {}
