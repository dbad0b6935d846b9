"""What of a runs folder can be used, found without changing it."""

import shutil
from contextlib import closing

import pytest
import small

from mnistladder.config.spec import Rung
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.ladder.survey import survey
from mnistladder.runs import results

CONFIG = small.tiny(phases=small.phases(1))


@pytest.fixture
def attempts(source):
    """One rung at two seeds; the second is never trained."""
    return [Attempt(Rung("rung", CONFIG), seed, source) for seed in range(2)]


@pytest.fixture
def runs(tmp_path, attempts):
    """A folder with the first attempt's result."""
    with closing(InProcess(tmp_path, small.CPU, lambda event: None)) as executor:
        list(Ladder(attempts[:1], tmp_path).climb(executor, lambda event: None))
    return tmp_path


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_stored_results_are_known_and_the_rest_is_missing(runs, attempts):
    found = survey(attempts, runs)
    assert list(found.known) == attempts[:1]
    assert list(found.missing) == [next(attempts[1].stages).key]
    assert found.damaged == {}


def test_empty_folder_has_nothing_and_stays_empty(tmp_path, attempts):
    found = survey(attempts, tmp_path / "new")
    assert (found.known, len(found.missing), found.damaged) == ({}, 2, {})
    assert list(tmp_path.iterdir()) == []


def damage_result(runs, attempt):
    path = results.result_path(runs, "rung", attempt.result_id)
    path.write_bytes(path.read_bytes()[:-9])
    return path


def damage_stage(runs, attempt):
    folder = runs / "members" / next(attempt.stages).key
    (folder / "checkpoint.safetensors").write_bytes(b"")
    return folder


def test_damaged_result_is_made_again_from_its_stages(runs, attempts):
    path = damage_result(runs, attempts[0])
    before = contents(runs)
    found = survey(attempts[:1], runs)
    assert (found.known, found.missing, list(found.damaged)) == ({}, {}, [path])
    assert contents(runs) == before


def test_swapped_networks_are_trained_again(runs, attempts):
    """Without the results, the folder of the other seed would be believed."""
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        list(Ladder(attempts, runs).climb(executor, lambda event: None))
    before = {attempt: results.find_result(runs, "rung", attempt.result_id) for attempt in attempts}
    shutil.rmtree(runs / "results")
    first, second = (runs / "members" / next(attempt.stages).key for attempt in attempts)
    first.rename(runs / "kept")
    second.rename(first)
    (runs / "kept").rename(second)
    found = survey(attempts, runs)
    assert set(found.damaged) == {first, second}
    assert set(found.missing) == {first.name, second.name}
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        outcomes = list(Ladder(attempts, runs).climb(executor, lambda event: None))
    assert len(list((runs / "members").glob("*.corrupt-1"))) == 2
    for outcome in outcomes:
        said = before[outcome.attempt].predictions_sha256
        assert outcome.record.predictions_sha256 == said


def test_link_to_nowhere_in_the_place_of_a_result_is_set_aside(runs, attempts):
    path = results.result_path(runs, "rung", attempts[0].result_id)
    path.unlink()
    path.symlink_to("none")
    assert list(survey(attempts[:1], runs).damaged) == [path]
    [outcome] = Ladder(attempts[:1], runs).climb(None, lambda event: None)
    assert results.load_result(path) == outcome.record
    assert path.with_name(f"{path.name}.corrupt-1").is_symlink()


def test_result_is_made_beside_a_damaged_one_without_a_board(runs, attempts):
    """The damaged record is another rung's, and nobody needs it: it is named, once."""
    (runs / "leaderboard.json").unlink()
    other = runs / "results" / "other" / "0123.json"
    other.parent.mkdir()
    other.touch()
    told = []
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        outcomes = list(Ladder(attempts, runs).climb(executor, told.append))
    assert [outcome.attempt.seed for outcome in outcomes] == [0, 1]
    said = [event.text for event in told if "0123.json" in getattr(event, "text", "")]
    assert said == [f"{other}: no record of mnistladder; passed over"]


def test_linked_folder_of_a_network_is_set_aside(runs, attempts, tmp_path_factory):
    damage_result(runs, attempts[0])
    folder = runs / "members" / next(attempts[0].stages).key
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "network"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert folder in survey(attempts[:1], runs).damaged


def test_damaged_stage_is_missing_where_a_result_needs_it(runs, attempts):
    folder = damage_stage(runs, attempts[0])
    assert survey(attempts[:1], runs).damaged == {}  # the result is stored: nobody needs the stage
    path = damage_result(runs, attempts[0])
    before = contents(runs)
    found = survey(attempts[:1], runs)
    assert list(found.missing) == [folder.name]
    assert list(found.damaged) == [path, folder]
    assert contents(runs) == before
