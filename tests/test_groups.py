"""Which results are one row, and which of several rows of a rung counts."""

import pytest
from record_data import result

from mnistladder.report.groups import group, identity, latest, newest, whole_records

RUNG = "model02_normalized"


def data(sha256):
    return {"name": "raw", "sha256": sha256}


def made(**changes):
    return result(**{"data": data("m"), **changes})


def groups_of(*changes):
    """Groups of one result for each set of changed fields."""
    return group(made(**each) for each in changes)


def test_results_of_one_recipe_are_one_group_in_order_of_seed():
    [(key, alike)] = group(made(seed=seed) for seed in (2, 0, 1)).items()
    assert [record.seed for record in alike] == [0, 1, 2]
    assert (key.rung, key.data_sha256, key.config_sha256, key.engine) == (
        RUNG,
        "m",
        "a",
        made().engine,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"config_sha256": "b"},
        {"data": data("o")},
        {"rung": "model03_hidden"},
        {"engine": 1},
        {"plugins": {"swish": "1.0"}},
    ],
    ids=str,
)
def test_what_differs_in_rung_data_config_engine_or_plugins_is_another_group(changes):
    assert len(groups_of({}, {"seed": 1, **changes})) == 2
    assert len(groups_of({}, {"seed": 1, "train_s": 9.0})) == 1


def test_groups_are_in_order_of_rung_then_data():
    keys = groups_of({"rung": "b"}, {"rung": "a", "data": data("z")}, {"rung": "a"})
    assert [(key.rung, key.data_sha256) for key in keys] == [("a", "m"), ("a", "z"), ("b", "m")]


def test_newest_is_of_the_newest_engine_then_ended_last_and_of_this_data():
    later = {"config_sha256": "b", "ended": "2026-02"}
    groups = groups_of(
        {"ended": "2026-01"},
        later,
        {"engine": 1, "ended": "2027"},
        {"data": data("l"), "ended": "2028"},
        {"data": data("n"), "ended": "2028"},
    )
    assert newest(groups, "m") == identity(made(**later))


def test_a_group_is_as_late_as_the_last_of_its_results():
    first = [made(seed=seed, ended=ended) for seed, ended in enumerate(("2026-09", "2026-01"))]
    groups = group([*first, made(config_sha256="b", ended="2026-05")])
    assert newest(groups, "m") == identity(first[0])


def test_latest_group_of_a_rung_has_no_overrides_and_this_rung_and_data():
    groups = groups_of(
        {},
        {"config_sha256": "b", "overrides": ["batch_size=64"], "ended": "2028"},
        {"rung": "model01_linear", "ended": "2028"},
        {"rung": "model03_hidden", "ended": "2028"},
        {"data": data("l")},
        {"data": data("n")},
    )
    assert latest(groups, RUNG, "m") == identity(made())
    assert latest(groups, RUNG, "n") == identity(made(data=data("n")))
    assert latest(groups, "model03_hidden", "l") is None
    assert latest(groups, "model04_deep", "m") is None


def test_only_whole_records_have_wrong_images():
    first, second = made(), made(seed=1)
    assert whole_records([first, second]) == [first, second]
    assert whole_records([first, second.listed()]) is None
    assert whole_records([]) == []
