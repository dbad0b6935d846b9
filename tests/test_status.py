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
from mnistladder.ladder.status import RungState, Standing, State, fitted


def attempts(source, seeds=1, **configs):
    return [
        Attempt(Rung(name, config), seed, source)
        for name, config in configs.items()
        for seed in range(seeds)
    ]


def climb(chosen, runs):
    """The standing at the end, and the rows at the start and after each event and outcome."""
    ladder = Ladder(chosen, runs)
    standing = Standing(ladder)
    seen = [standing.states()]

    def emit(event):
        standing(event)
        seen.append(standing.states())

    with closing(InProcess(runs, small.CPU, emit)) as executor:
        for outcome in ladder.climb(executor, emit, keep_going=True):
            standing.decided(outcome)
            seen.append(standing.states())
    return standing, seen


def words(rows):
    return [row.state.value for row in rows]


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
    standing, seen = climb(attempts(source, x=ANNEALED, y=AVERAGED, z=PSEUDO), tmp_path)
    assert [(row.epochs_done, row.epochs) for row in seen[0]] == [(0, 2), (0, 4), (0, 6)]
    busy = next(rows for rows in seen if rows[0].epochs_done == 1)
    assert words(busy) == ["running"] * 3
    assert [row.epochs_done for row in busy] == [1, 1, 1]
    assert [(row.epochs_done, row.epochs) for row in standing.states()] == [(2, 2), (4, 4), (6, 6)]


def test_accuracy_is_the_mean_over_the_seeds_climbed_so_far(tmp_path, source):
    chosen = attempts(source, seeds=2, a=ANNEALED)
    standing, seen = climb(chosen, tmp_path)
    accuracies = list(standing.accuracies.values())
    found = list(dict.fromkeys((row.seeds_done, row.accuracy) for [row] in seen))
    assert found == [(0, None), (1, accuracies[0]), (2, sum(accuracies) / 2)]
    assert accuracies[0] != accuracies[1]
    assert seen[0][0].seeds == 2


def test_stored_results_and_networks_count_from_the_start(tmp_path, source):
    climb(attempts(source, a=ANNEALED), tmp_path)
    [stored, shares, new] = Standing(
        Ladder(attempts(source, a=ANNEALED, b=AVERAGED, c=small.tiny(batch_size=32)), tmp_path)
    ).states()
    assert (stored.state, stored.epochs_done, stored.seeds_done) == (State.DONE, 2, 1)
    assert stored.accuracy is not None
    assert (shares.state, shares.epochs_done, shares.accuracy) == (State.WAITING, 2, None)
    assert (new.state, new.epochs_done) == (State.WAITING, 0)


def test_stored_result_is_done_without_its_networks(tmp_path, source):
    climb(attempts(source, a=ANNEALED), tmp_path)
    for record in tmp_path.glob("members/*/record.json"):
        record.unlink()
    [stored, shares] = Standing(Ladder(attempts(source, a=ANNEALED, b=AVERAGED), tmp_path)).states()
    assert (stored.state, stored.epochs_done) == (State.DONE, 2)
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
    assert seen[-1][0].state is State.DONE


def test_failed_rung_says_so_and_others_go_on(tmp_path, source):
    standing, _ = climb(attempts(source, bad=DIVERGING, good=ANNEALED), tmp_path)
    assert words(standing.states()) == ["failed", "done"]


def row(name, state):
    return RungState(name, State(state), 0, 1, 0, 1, None)


def test_rungs_that_do_not_fit_are_counted_and_busy_ones_stay():
    states = [row("a", "done"), row("b", "failed"), row("c", "done"), row("d", "running")]
    states += [row(name, "waiting") for name in "efg"]
    assert fitted(states, 7) == (states, Counter())
    kept, left_out = fitted(states, 6)
    assert "".join(state.name for state in kept) == "bdefg"
    assert left_out == {State.DONE: 2}
    kept, left_out = fitted(states, 4)
    assert "".join(state.name for state in kept) == "bde"
    assert left_out == {State.DONE: 2, State.WAITING: 2}
    assert fitted(states, 1) == ([], Counter(s.state for s in states))
