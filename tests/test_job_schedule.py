"""Which stages train next: no training, no files, no torch."""

import subprocess
import sys
from pathlib import Path

import pytest
import small

from mnistladder.config.spec import Rung
from mnistladder.data.datasets import Source
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.events import Failed, Finished
from mnistladder.ladder.job_schedule import Schedule, Stacking, stack_size, stages_to_stack

SOURCE = Source("digits", Path("nowhere"), "0" * 64)
PSEUDO = small.tiny(members=2, pool="test", phases=small.phases(1, 1, pseudo_per_batch=16))


def attempt(config=None, name="rung", seed=0):
    return Attempt(Rung(name, config or small.tiny()), seed, SOURCE)


def schedule(attempts, workers=1, largest_stack=1, stored=()):
    """A schedule of all stages but those of the stored keys."""
    stages = {stage.key: stage for each in attempts for stage in each.stages}
    missing = {key: stage for key, stage in stages.items() if key not in stored}
    stacking = Stacking(stages_to_stack(attempts, largest_stack), largest_stack)
    return Schedule(attempts, missing, stacking, workers)


def jobs(made):
    """The seeds of the networks of each job that can start now."""
    seeds = []
    while job := made.next_job():
        seeds.append([stage.seed for stage in job.stages])
    return seeds


def lengths(*epochs):
    """One attempt for each number of epochs, with seeds from 0 on."""
    return [
        attempt(small.tiny(phases=small.phases(count)), seed=seed)
        for seed, count in enumerate(epochs)
    ]


def failed(key, text="why"):
    return Failed(key, text, ExitCode.DIVERGED)


def test_schedule_needs_no_torch():
    code = "import sys, mnistladder.ladder.job_schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("workers", "order"), [(1, [0, 1, 2, 3]), (2, [2, 3, 0, 1])])
def test_one_worker_keeps_the_order_and_several_take_the_longest_first(workers, order):
    assert jobs(schedule(lengths(2, 1, 5, 4), workers)) == [[seed] for seed in order]


def test_stages_of_equal_length_keep_their_order():
    assert jobs(schedule(lengths(1, 1, 1), workers=2)) == [[0], [1], [2]]


def test_attempt_is_decided_once_all_its_stages_have_ended():
    attempts = lengths(1, 1)
    made = schedule(attempts)
    assert made.decided() == []
    jobs(made)
    made.ended(Finished(next(attempts[1].stages).key))
    assert made.decided() == [attempts[1]]
    assert made.decided() == []
    assert not made.is_done
    made.ended(Finished(next(attempts[0].stages).key))
    assert (made.decided(), made.is_done) == ([attempts[0]], True)


def test_stored_attempts_are_decided_at_the_start():
    attempts = lengths(1, 1)
    made = schedule(attempts, stored={next(attempts[1].stages).key})
    assert made.decided() == [attempts[1]]
    assert jobs(made) == [[0]]


def test_stage_waits_for_its_teachers():
    pseudo = attempt(PSEUDO)
    (first, second), last = pseudo.levels[0], pseudo.levels[1]
    made = schedule([pseudo])
    assert jobs(made) == [[first.seed], [second.seed]]
    made.ended(Finished(first.key))
    assert made.next_job() is None
    made.ended(Finished(second.key))
    assert [made.next_job().stages[0] for _ in last] == last


def test_what_needs_a_failed_stage_fails_with_its_reason():
    pseudo, other = attempt(PSEUDO, "13"), attempt(seed=7)
    made = schedule([pseudo, other])
    first = made.next_job().stages[0]
    made.ended(failed(first.key, "the loss is nan"))
    assert made.decided() == [pseudo]
    assert made.failure(pseudo).text == "the loss is nan"
    assert made.failure(other) is None
    assert jobs(made) == [[7]]  # the other network of the failed rung is not trained
    made.ended(Finished(next(other.stages).key))
    assert (made.decided(), made.is_done) == ([other], True)


def test_failed_stage_of_a_shared_network_fails_all_that_need_it():
    one = attempt(small.tiny(), "11")
    two = attempt(small.tiny(members=2), "12")
    made = schedule([one, two])
    job = made.next_job()
    assert job.stages[0].key in {stage.key for stage in two.stages}
    made.ended(failed(job.stages[0].key))
    assert made.decided() == [one, two]


@pytest.mark.parametrize(
    ("workers", "expected"), [(1, [[0, 1, 2, 3], [4, 5]]), (2, [[0, 1, 2], [3, 4, 5]])]
)
def test_stacks_are_shared_out_to_the_workers(workers, expected):
    made = schedule(lengths(*[1] * 6), workers, largest_stack=4)
    assert jobs(made) == expected


def test_only_networks_of_one_plan_are_stacked():
    attempts = [attempt(seed=seed) for seed in range(4)]
    other = attempt(small.tiny(batch_size=32), "other", seed=9)
    made = schedule([*attempts, other], largest_stack=8)
    assert jobs(made) == [[0, 1, 2, 3], [9]]


@pytest.mark.parametrize(("count", "stacked"), [(3, 0), (4, 4)])
def test_stacking_needs_four_networks_of_one_plan(count, stacked):
    attempts = [attempt(seed=seed) for seed in range(count)]
    assert len(stages_to_stack(attempts, 4)) == stacked
    assert stages_to_stack(attempts, 1) == set()


def test_stacking_does_not_depend_on_what_is_stored():
    attempts = [attempt(seed=seed) for seed in range(4)]
    stored = {stage.key for each in attempts[:3] for stage in each.stages}
    job = schedule(attempts, largest_stack=4, stored=stored).next_job()
    assert (len(job.stages), job.stacked) == (1, True)


def test_stack_sizes_tell_stacked_from_alone():
    attempts = [attempt(seed=seed) for seed in range(5)]
    alone = next(attempt(small.tiny(batch_size=32)).stages)
    stages = [stage for each in attempts for stage in each.stages]
    sizes = Stacking({stage.key for stage in stages}, 4).sizes([*stages, alone], 1)
    assert sizes == {**{stage.key: 3 for stage in stages}, alone.key: 1}


@pytest.mark.parametrize(
    ("count", "workers", "largest", "sizes"),
    [
        (10, 1, 4, [4, 4, 2]),
        (10, 2, 4, [4, 3, 3]),
        (5, 1, 4, [3, 2]),
        (5, 2, 4, [3, 2]),
        (4, 2, 4, [2, 2]),
        (4, 16, 4, [2, 2]),
        (9, 1, 4, [4, 3, 2]),
        (60, 1, 64, [60]),
        (5, 1, 2, [2, 2, 1]),
        (1, 2, 4, [1]),
    ],
)
def test_stacks_share_evenly_and_leave_none_alone_if_they_may(count, workers, largest, sizes):
    shares = []
    while count:
        shares.append(stack_size(count, workers, largest))
        count -= shares[-1]
    assert shares == sizes
