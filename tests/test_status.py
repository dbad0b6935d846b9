"""How a ladder's rungs stand while it is climbed, as data, on real climbs of small networks."""

from collections import Counter
from contextlib import closing

import small
from test_climb import ANNEALED, AVERAGED, DIVERGING, PSEUDO

from mnistladder.config.spec import Rung
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.events import EpochDone
from mnistladder.ladder.executors import InProcess
from mnistladder.ladder.status import LadderStatus, RungStatus, Status, fitted


def attempts(source, seeds=1, **configs):
    return [
        Attempt(Rung(name, config), seed, source)
        for name, config in configs.items()
        for seed in range(seeds)
    ]


def climb(chosen, runs):
    """The status at the end, and the rows at the start and after each event and outcome."""
    ladder = Ladder(chosen, runs)
    status = LadderStatus(ladder)
    seen = [status.of_rungs()]

    def emit(event):
        status(event)
        seen.append(status.of_rungs())

    with closing(InProcess(runs, small.CPU, emit)) as executor:
        for outcome in ladder.climb(executor, emit, keep_going=True):
            status.decided(outcome)
            seen.append(status.of_rungs())
    return status, seen


def words(rows):
    return [row.status.value for row in rows]


def test_rungs_go_from_waiting_over_running_to_done(tmp_path, source):
    _, seen = climb(attempts(source, a=ANNEALED, b=small.tiny()), tmp_path)
    order = list(dict.fromkeys(" ".join(words(rows)) for rows in seen))
    assert order == [
        "waiting waiting",
        "running waiting",
        "done waiting",
        "done running",
        "done done",
    ]
    epochs = [rows[0].epochs_done for rows in seen]
    assert (epochs[0], epochs[-1]) == (0, 2)
    assert epochs == sorted(epochs)


def test_shared_stages_count_for_each_rung_that_needs_them(tmp_path, source):
    status, seen = climb(attempts(source, x=ANNEALED, y=AVERAGED, z=PSEUDO), tmp_path)
    assert [(row.epochs_done, row.epochs) for row in seen[0]] == [(0, 2), (0, 4), (0, 6)]
    busy = next(rows for rows in seen if rows[0].epochs_done == 1)
    assert words(busy) == ["running"] * 3
    assert [row.epochs_done for row in busy] == [1, 1, 1]
    assert [(row.epochs_done, row.epochs) for row in status.of_rungs()] == [(2, 2), (4, 4), (6, 6)]


def test_accuracy_is_the_mean_over_the_seeds_climbed_so_far(tmp_path, source):
    chosen = attempts(source, seeds=2, a=ANNEALED)
    status, seen = climb(chosen, tmp_path)
    accuracies = list(status.accuracies.values())
    found = list(dict.fromkeys((row.seeds_done, row.accuracy) for [row] in seen))
    assert found == [(0, None), (1, accuracies[0]), (2, sum(accuracies) / 2)]
    assert accuracies[0] != accuracies[1]
    assert seen[0][0].seeds == 2


def test_stored_results_and_networks_count_from_the_start(tmp_path, source):
    climb(attempts(source, a=ANNEALED), tmp_path)
    [stored, shares, new] = LadderStatus(
        Ladder(attempts(source, a=ANNEALED, b=AVERAGED, c=small.tiny(batch_size=32)), tmp_path)
    ).of_rungs()
    assert (stored.status, stored.epochs_done, stored.seeds_done) == (Status.DONE, 2, 1)
    assert stored.accuracy is not None
    assert (shares.status, shares.epochs_done, shares.accuracy) == (Status.WAITING, 2, None)
    assert (new.status, new.epochs_done) == (Status.WAITING, 0)


def test_stored_result_is_done_without_its_networks(tmp_path, source):
    climb(attempts(source, a=ANNEALED), tmp_path)
    for record in tmp_path.glob("members/*/record.json"):
        record.unlink()
    [stored, shares] = LadderStatus(
        Ladder(attempts(source, a=ANNEALED, b=AVERAGED), tmp_path)
    ).of_rungs()
    assert (stored.status, stored.epochs_done) == (Status.DONE, 2)
    assert shares.epochs_done == 0


def test_resumed_network_counts_the_epochs_it_has(tmp_path, source):
    ladder = Ladder(attempts(source, a=small.tiny(phases=small.phases(4))), tmp_path)

    def stop(event):
        if isinstance(event, EpochDone):
            raise KeyboardInterrupt

    with closing(InProcess(tmp_path, small.CPU, stop)) as executor:
        try:
            list(ladder.climb(executor, stop))
        except KeyboardInterrupt:
            _, seen = climb(ladder.attempts, tmp_path)
    assert list(dict.fromkeys(rows[0].epochs_done for rows in seen)) == [0, 1, 2, 3, 4]
    assert seen[-1][0].status is Status.DONE


def test_failed_rung_says_so_and_others_go_on(tmp_path, source):
    status, _ = climb(attempts(source, bad=DIVERGING, good=ANNEALED), tmp_path)
    assert words(status.of_rungs()) == ["failed", "done"]


def row(name, state):
    return RungStatus(name, Status(state), 0, 1, 0, 1, None)


def test_rungs_that_do_not_fit_are_counted_and_busy_ones_stay():
    states = [row("a", "done"), row("b", "failed"), row("c", "done"), row("d", "running")]
    states += [row(name, "waiting") for name in "efg"]
    assert fitted(states, 7) == (states, Counter())
    kept, left_out = fitted(states, 6)
    assert "".join(state.name for state in kept) == "bdefg"
    assert left_out == {Status.DONE: 2}
    kept, left_out = fitted(states, 4)
    assert "".join(state.name for state in kept) == "bde"
    assert left_out == {Status.DONE: 2, Status.WAITING: 2}
    assert fitted(states, 1) == ([], Counter(s.status for s in states))
