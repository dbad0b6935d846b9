"""Rungs share what they can, failures stay where they are, and workers change no bit."""

import multiprocessing
import os
import signal
from collections import Counter
from contextlib import closing

import numpy as np
import pytest
import small
import torch

from mnistladder import sealed
from mnistladder.config.spec import Config, Phase, Rung, Sgd
from mnistladder.data.datasets import Source
from mnistladder.errors import ExitCode
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Failure, Ladder, Success
from mnistladder.ladder.events import EpochDone, Failed, Started
from mnistladder.ladder.executors import InProcess, LocalProcesses
from mnistladder.ladder.slots import Devices, Slot
from mnistladder.ladder.trainer import Trainer
from mnistladder.model.layers import Dense, Flatten, Relu
from mnistladder.runs import leaderboard
from mnistladder.runs.records import ResultRecord
from mnistladder.runs.stage_store import StageStore

CPU = torch.device("cpu")
ANNEALED = small.tiny(phases=small.phases(1, 1))
AVERAGED = ANNEALED.model_copy(update={"members": 2})
PSEUDO = small.tiny(members=2, pool="test", phases=small.phases(1, 1, 1, pseudo_per_batch=16))
DEEP = (Flatten(), *[layer for _ in range(6) for layer in (Dense(out=50), Relu())], Dense(out=10))
DIVERGING = small.tiny(model=DEEP, optimizer=Sgd(), phases=(Phase(epochs=1, lr=100.0),))


def attempt(config: Config, source: Source, name="rung", seed=0):
    return Attempt(Rung(name, config), seed, source)


def climb(attempts, runs, keep_going=False, jobs=None, stack=1):
    """The outcomes of the attempts and all events on the way, here or in so many workers."""
    events = []
    ladder = Ladder(attempts, runs, stack)
    if jobs:
        executor = LocalProcesses(runs, events.append, Devices((small.CPU,)).slots(jobs))
    else:
        executor = InProcess(runs, small.CPU, events.append)
    with closing(executor):
        return list(ladder.climb(executor, events.append, keep_going)), events


def epochs_trained(events):
    """How many epochs were trained of each stage."""
    return Counter(event.key for event in events if isinstance(event, EpochDone))


def test_averaging_rung_trains_only_the_members_that_are_missing(tmp_path, source):
    annealed, averaged = attempt(ANNEALED, source, "11"), attempt(AVERAGED, source, "12")
    own, other = (stage.key for stage in averaged.levels[0])
    _, first = climb([annealed], tmp_path)
    assert list(Ladder([averaged], tmp_path).missing) == [other]
    outcomes, second = climb([averaged], tmp_path)
    assert epochs_trained(first) == {own: 2}
    assert epochs_trained(second) == {other: 2}
    assert outcomes[0].record.member_keys == (own, other)


def test_pseudo_labelling_rung_trains_only_its_new_stage(tmp_path, source):
    climb([attempt(AVERAGED, source, "12")], tmp_path)
    pseudo = attempt(PSEUDO, source, "13")
    [outcome], events = climb([pseudo], tmp_path)
    assert epochs_trained(events) == {stage.key: 1 for stage in pseudo.levels[1]}
    assert outcome.record.transductive is True
    assert outcome.record.epochs == 3
    assert outcome.record.images_seen == 2 * (2 * 512 + 512 + 11 * 16)


def test_rungs_climbed_together_train_each_network_once(tmp_path, source):
    plans = {"11": ANNEALED, "12": AVERAGED, "13": PSEUDO}
    attempts = [attempt(config, source, name) for name, config in plans.items()]
    missing = Ladder(attempts, tmp_path).missing.values()
    assert sum(stage.epochs for stage in missing) == 2 * 2 + 2
    outcomes, events = climb(attempts, tmp_path)
    assert epochs_trained(events).total() == 2 * 2 + 2
    assert all(isinstance(outcome, Success) for outcome in outcomes)
    assert [outcome.attempt.rung.name for outcome in outcomes] == ["11", "12", "13"]


def test_order_of_rungs_does_not_change_results(tmp_path, source):
    attempts = [attempt(ANNEALED, source, "11"), attempt(PSEUDO, source, "13")]
    found = []
    for number, order in enumerate((attempts, attempts[::-1])):
        outcomes, _ = climb(order, tmp_path / str(number))
        found.append({o.attempt.rung.name: o.record.predictions_sha256 for o in outcomes})
    assert found[0] == found[1]
    assert found[0]["11"] != found[0]["13"]


def test_stored_result_is_reused_without_an_executor(tmp_path, source):
    [first], _ = climb([attempt(ANNEALED, source)], tmp_path)
    ladder = Ladder([attempt(ANNEALED, source)], tmp_path)
    assert not ladder.missing
    [second] = ladder.climb(None, lambda event: None)
    assert (first.reused, second.reused) == (False, True)
    assert second.record == ResultRecord.parse(
        sealed.unseal(sealed.seal(first.record.plain()), ""), ""
    )


def test_other_seed_trains_other_members(tmp_path, source):
    climb([attempt(AVERAGED, source)], tmp_path)
    outcomes, events = climb([attempt(AVERAGED, source, seed=1)], tmp_path)
    assert len(epochs_trained(events)) == 2
    assert outcomes[0].record.member_seeds == (2, 3)


@pytest.mark.parametrize(
    ("keep_going", "outcomes"), [(True, [Failure, Success]), (False, [Failure])]
)
def test_failing_rung_stops_the_climb_unless_it_keeps_going(tmp_path, source, keep_going, outcomes):
    attempts = [attempt(DIVERGING, source, "bad"), attempt(ANNEALED, source, "good")]
    found, _ = climb(attempts, tmp_path, keep_going)
    assert [type(outcome) for outcome in found] == outcomes
    assert found[0].exit_code is ExitCode.DIVERGED
    assert "epoch 1, phase 0: the loss is " in found[0].text
    assert not (tmp_path / "results" / "bad").exists()


def test_what_builds_on_a_failed_stage_falls_with_it(tmp_path, source):
    plan = (*DIVERGING.phases, Phase(epochs=1, lr=1e-3, pseudo_per_batch=16))
    config = DIVERGING.model_copy(update={"phases": plan, "pool": "test", "members": 2})
    bad, good = attempt(config, source, "bad"), attempt(ANNEALED, source, "good")
    (fallen, climbed), events = climb([bad, good], tmp_path, keep_going=True)
    assert (type(fallen), type(climbed)) == (Failure, Success)
    assert fallen.exit_code is ExitCode.DIVERGED
    failed = {event.key for event in events if isinstance(event, Failed)}
    assert failed <= {stage.key for stage in bad.levels[0]}


def test_two_workers_give_the_results_of_one_process(tmp_path, source):
    attempts = [attempt(PSEUDO, source, "13")]
    [one], _ = climb(attempts, tmp_path / "one")
    [two], events = climb(attempts, tmp_path / "two", jobs=2)
    assert epochs_trained(events).total() == 6
    assert two.record.predictions_sha256 == one.record.predictions_sha256
    key = attempts[0].levels[1][1].key
    stored = [StageStore(tmp_path / name).record(key).weights_sha256 for name in ("one", "two")]
    assert stored[0] == stored[1]


def test_killed_worker_fails_its_stage_and_others_go_on(tmp_path, source):
    long = attempt(small.tiny(phases=small.phases(200)), source, "long")
    killed = []

    def kill_once(event):
        if isinstance(event, EpochDone) and event.key == long.levels[0][0].key and not killed:
            killed.extend(multiprocessing.active_children())
            os.kill(killed[0].pid, signal.SIGKILL)

    ladder = Ladder([long, attempt(ANNEALED, source, "short")], tmp_path)
    with closing(LocalProcesses(tmp_path, kill_once, [Slot(small.CPU)])) as executor:
        fallen, climbed = ladder.climb(executor, lambda event: None, keep_going=True)
    assert len(killed) == 1
    assert fallen == Failure(long, "its worker process ended by SIGKILL", ExitCode.RESOURCE)
    assert isinstance(climbed, Success)
    assert StageStore(tmp_path).progress(long.levels[0][0].key).history


def test_record_counts_what_the_averaged_members_say(tmp_path, source):
    [outcome], _ = climb([attempt(AVERAGED, source)], tmp_path)
    record, store = outcome.record, StageStore(tmp_path)
    each = [store.probabilities(key) for key in record.member_keys]
    labels = source.test_labels()
    wrong = np.flatnonzero(np.mean(each, axis=0).argmax(1) != labels)
    assert list(record.wrong_images) == wrong.tolist()
    assert record.errors == len(wrong) == sum(record.per_class_errors)
    assert record.accuracy == pytest.approx(100 - 100 * len(wrong) / 256, abs=1e-4)
    assert list(record.member_errors) == [int((p.argmax(1) != labels).sum()) for p in each]
    of_truth = np.mean(each, axis=0)[np.arange(256), labels]
    assert of_truth.min() < 0.1  # so that a floor that high shows
    assert record.loss == pytest.approx(-np.log(of_truth.clip(1e-7)).mean(), abs=2e-6)


def test_record_that_contradicts_its_probabilities_is_corrupt(tmp_path, source):
    stage = attempt(ANNEALED, source).levels[0][0]
    climb([attempt(ANNEALED, source)], tmp_path)
    path = tmp_path / "members" / stage.key / "record.json"
    record = sealed.unseal(path.read_bytes(), "")
    path.write_bytes(sealed.seal({**record, "test_errors": record["test_errors"] + 1}))
    [outcome], _ = climb([attempt(ANNEALED, source, "again")], tmp_path)
    assert isinstance(outcome, Failure)
    assert outcome.exit_code is ExitCode.CORRUPT
    assert "stored errors do not fit" in outcome.text


def test_result_id_follows_from_name_and_members(source):
    same = {
        attempt(config, source).result_id
        for config in (ANNEALED, small.tiny(phases=small.phases(1, 1), title="Other"))
    }
    assert len(same) == 1
    others = [
        attempt(ANNEALED, source, "other"),
        attempt(ANNEALED, source, seed=1),
        attempt(AVERAGED, source),
    ]
    assert len(same | {other.result_id for other in others}) == 4


def test_climbed_rungs_stand_on_the_board(tmp_path, source):
    climb([attempt(ANNEALED, source, "11"), attempt(AVERAGED, source, "12")], tmp_path)
    board = leaderboard.load_board(tmp_path / "leaderboard.json")
    assert [row.rung for row in board] == ["11", "12"]


def test_other_members_of_a_fallen_rung_are_not_trained(tmp_path, source):
    many = attempt(DIVERGING.model_copy(update={"members": 4}), source, "many")
    outcomes, events = climb([many, attempt(ANNEALED, source)], tmp_path, keep_going=True)
    assert [type(outcome) for outcome in outcomes] == [Failure, Success]
    started = {event.key for event in events if isinstance(event, Started)}
    assert len(started & {stage.key for stage in many.stages}) == 1


def seeds_of(config, source, count):
    return [attempt(config, source, seed=seed) for seed in range(count)]


def stored(runs, attempts):
    """Every stage's checkpoint and how it was trained."""
    store = StageStore(runs)
    keys = [stage.key for each in attempts for stage in each.stages]
    return {key: (store.checkpoint(key), store.record(key).stacked) for key in keys}


def test_stacked_networks_are_the_same_however_many_workers_and_however_stacked(tmp_path, source):
    attempts = seeds_of(ANNEALED, source, 5)
    climb(attempts, tmp_path / "one", stack=4)
    climb(attempts, tmp_path / "two", stack=4, jobs=2)
    climb(attempts, tmp_path / "pairs", stack=2)
    expected = stored(tmp_path / "one", attempts)
    assert all(stacked for _, stacked in expected.values())
    assert stored(tmp_path / "two", attempts) == expected
    assert stored(tmp_path / "pairs", attempts) == expected
    climb(attempts, tmp_path / "alone")
    assert not any(stacked for _, stacked in stored(tmp_path / "alone", attempts).values())


def test_few_networks_train_alone_so_that_no_core_idles(tmp_path, source):
    attempts = seeds_of(ANNEALED, source, 3)
    climb(attempts, tmp_path, stack=4)
    assert not any(stacked for _, stacked in stored(tmp_path, attempts).values())


def test_stacks_of_pseudo_labelling_members_learn_from_their_own_teachers(tmp_path, source):
    attempts = seeds_of(PSEUDO, source, 2)
    found, _ = climb(attempts, tmp_path / "stacked", stack=4)
    again, _ = climb(attempts[::-1], tmp_path / "again", stack=3, jobs=2)
    hashes = {o.attempt.seed: o.record.predictions_sha256 for o in found}
    assert hashes == {o.attempt.seed: o.record.predictions_sha256 for o in again}
    assert len(set(hashes.values())) == 2


class CutOffError(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("stored_epochs", [1, 2, 5, 6, 8])
def test_stack_cut_off_anywhere_ends_with_the_same_bits(tmp_path, source, stored_epochs):
    attempts = seeds_of(ANNEALED, source, 4)
    climb(attempts, tmp_path / "whole", stack=4)
    left = iter(range(stored_epochs))

    def cut_off(event):
        if isinstance(event, EpochDone) and next(left, None) is None:
            raise CutOffError

    ladder = Ladder(attempts, tmp_path / "cut", 4)
    with pytest.raises(CutOffError):
        Trainer(ladder.store, CPU, cut_off).train(list(ladder.missing.values()), stacked=True)
        raise CutOffError
    climb(attempts, tmp_path / "cut", stack=4)
    assert stored(tmp_path / "cut", attempts) == stored(tmp_path / "whole", attempts)


def test_last_of_a_stack_goes_on_beside_its_twin(tmp_path, source):
    attempts = seeds_of(ANNEALED, source, 4)
    climb(attempts, tmp_path / "whole", stack=4)
    store = StageStore(tmp_path / "cut")
    stages = [stage for each in attempts for stage in each.stages]
    with pytest.raises(CutOffError):
        Trainer(store, CPU, cut_off_at_epoch_2).train(stages, stacked=True)
    climb(attempts[3:], tmp_path / "cut")  # asked for alone now
    [key] = [stage.key for stage in attempts[3].stages]
    assert stored(tmp_path / "cut", attempts[3:])[key] == stored(tmp_path / "whole", attempts)[key]
    climb(attempts[3:], tmp_path / "alone")
    assert (
        stored(tmp_path / "alone", attempts[3:])[key] != stored(tmp_path / "whole", attempts)[key]
    )


def cut_off_at_epoch_2(event):
    if isinstance(event, EpochDone) and event.row.epoch == 2:
        raise CutOffError


class Poisoned(Trainer):
    """One network of a stack starts with a weight that is no number."""

    def _begin(self, stage, digits, stacked):
        trainee = super()._begin(stage, digits, stacked)
        if stage.seed == 1:
            trainee.state.weights.data[0] = float("nan")
        return trainee


def test_network_that_diverges_in_a_stack_falls_alone(tmp_path, source):
    stages = [each.levels[0][0] for each in seeds_of(ANNEALED, source, 3)]
    told = {}
    for name, kind in (("whole", Trainer), ("poisoned", Poisoned)):
        events = []
        kind(StageStore(tmp_path / name), CPU, events.append).train(stages, stacked=True)
        told[name] = [(e.key, e.exit_code) for e in events if isinstance(e, Failed)]
    assert told == {"whole": [], "poisoned": [(stages[1].key, ExitCode.DIVERGED)]}
    for stage in (stages[0], stages[2]):
        both = [StageStore(tmp_path / name).checkpoint(stage.key) for name in told]
        assert both[0] == both[1]
    assert not StageStore(tmp_path / "poisoned").is_stored(stages[1].key)
