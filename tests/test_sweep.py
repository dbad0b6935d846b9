"""`sweep` and `ablate`: which changes they train, what they refuse, and what they say is best."""

import json

import pytest
from commands import call
from record_data import result

from mnistladder.config.ablations import ablations
from mnistladder.config.grid import points
from mnistladder.config.loading import load_rung
from mnistladder.errors import ConfigError, UsageError
from mnistladder.report.tuning import Candidate, against_best, against_whole, cells

RATES, SIZES = "phases.0.lr=1e-4,1e-2", "batch_size=32,64"
SWEEP = ("sweep", "model02_normalized", "--set", "phases.0.epochs=2", "--over", RATES)
HELD_OUT = ("--holdout", 128, "--jobs", 1)


def test_grid_is_every_combination_the_last_key_changes_fastest():
    assert points([RATES, SIZES]) == [
        ("phases.0.lr=1e-4", "batch_size=32"),
        ("phases.0.lr=1e-4", "batch_size=64"),
        ("phases.0.lr=1e-2", "batch_size=32"),
        ("phases.0.lr=1e-2", "batch_size=64"),
    ]


def test_values_are_split_as_yaml_and_stay_as_they_are_written():
    text = "phases.0.lr=1e-3 , {from: 1e-2, to: 1e-4},[1, 2],'a, b',1e-3"
    values = ["1e-3", "{from: 1e-2, to: 1e-4}", "[1, 2]", "'a, b'"]
    assert points([text]) == [(f"phases.0.lr={value}",) for value in values]


def test_draws_repeat_never_and_more_draws_begin_with_the_same():
    ranges = ["batch_size=" + ",".join(map(str, range(1, 41))), RATES]
    drawn = points(ranges, 30)
    assert len({*drawn}) == 30
    assert points(ranges, 10) == drawn[:10]
    assert {*drawn} < {*points(ranges)}
    assert points(ranges, 30, seed=1) != drawn
    assert points(ranges, 1000) == points(ranges)


@pytest.mark.parametrize(
    ("ranges", "expected"),
    [
        (["batch_size"], "--over batch_size: expected key.path=value,value"),
        (["=1,2"], "--over =1,2: expected key.path=value,value"),
        (["batch_size="], "--over batch_size=: expected at least one value"),
        (["batch_size=1,,2"], "--over batch_size=1,,2: not YAML"),
        (["batch_size=1]"], "--over batch_size=1]: "),
        (["batch_size=&a 1"], "--over batch_size=&a 1: "),
        ([SIZES, SIZES], "--over batch_size: named twice"),
        ([f"k{i}=1,2" for i in range(10)], "1,024 combinations; at most 1,000 at once"),
    ],
)
def test_bad_range_is_told_in_one_line(ranges, expected):
    with pytest.raises(UsageError) as caught:
        points(ranges)
    assert expected in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_huge_grid_may_be_drawn_from():
    assert len(points([f"k{i}=1,2,3" for i in range(60)], 5)) == 5


def test_layers_of_a_name_can_be_left_out():
    with_it, without = (load_rung("9", changes) for changes in ([], ["model.dropout=null"]))
    kept = [layer for layer in with_it.config.model if type(layer).__name__ != "Dropout"]
    assert list(without.config.model) == kept != list(with_it.config.model)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("model.dropuot=null", "`model` has no layer `dropuot`; did you mean `dropout`?"),
        ("model.dense=null", "--set model.dense=null: dropout: its output is"),
        ("model.dropout=1", "`model` has entries 0 to"),
    ],
)
def test_layer_that_cannot_be_left_out_is_told_with_the_override(override, expected):
    with pytest.raises(ConfigError) as caught:
        load_rung("9", [override])
    assert expected in str(caught.value)


def test_ablations_are_what_the_config_has():
    found = {each.what: each.overrides for each in ablations(load_rung("11").config)}
    assert [*found] == [
        *("normalize", "relu", "batchnorm", "dropout", "sigmoid"),
        *("augmentation", "changes of the learning rate"),
    ]
    assert found["augmentation"] == tuple(f"phases.{i}.augment=false" for i in range(2, 7))
    assert found["changes of the learning rate"][0] == "phases.0.lr=0.01"


def test_keys_and_ramps_are_ablated_where_they_are_used():
    changes = ["label_smoothing=0.1", "optimizer={name: adamw}", "clip_norm=1", "members=2"]
    ramp = ["phases.0.lr={from: 1e-3, to: 1e-5}", "average={decay: 0.99}"]
    found = {
        each.what: each.overrides for each in ablations(load_rung("3", [*changes, *ramp]).config)
    }
    assert found["changes of the learning rate"] == ("phases.0.lr=0.001",)
    keys = {"label smoothing", "weight decay", "gradient clipping", "ensemble"}
    assert {*keys, "average of the weights"} <= found.keys()
    assert not {*keys, "augmentation"} & {each.what for each in ablations(load_rung("3").config)}


@pytest.mark.parametrize("number", range(1, 14))
def test_every_ablation_of_every_rung_is_a_config(number):
    config = load_rung(str(number)).config
    for ablation in ablations(config):
        assert load_rung(str(number), ablation.overrides).config != config


def candidate(name, *counts):
    """A change whose seeds get so many of the first images wrong, each from another image on."""
    records = tuple(
        result(seed=seed, errors=count, wrong_images=list(range(seed, seed + count)))
        for seed, count in enumerate(counts)
    )
    return Candidate(name, (name,), records)


def test_rows_are_sorted_and_say_what_is_not_distinguishable_from_the_best():
    rows = against_best(
        [
            candidate("worse", 800, 805, 810),
            candidate("close", 204, 200, 207),
            candidate("none"),
            candidate("best", 200, 205, 202),
        ]
    )
    assert [row.change for row in rows] == ["best", "close", "worse", "none"]
    assert [row.differs for row in rows] == [None, False, True, None]
    assert [row.is_reference for row in rows] == [True, False, False, False]
    assert [cells(row, "the best")[-1] for row in rows] == ["the best", "~ +1.3", "+602.7", "-"]


def test_p_is_corrected_for_the_number_of_the_others():
    two, three = (
        against_best([candidate(str(i), 200 + 9 * i, 204 + 9 * i, 209 + 9 * i) for i in range(n)])
        for n in (2, 3)
    )
    assert three[1].p == pytest.approx(min(1, 2 * two[1].p))


def test_one_seed_is_never_distinguishable_and_the_best_has_the_most_seeds():
    rows = against_best([candidate("a", 100), candidate("b", 300, 310), candidate("c", 800)])
    assert [(row.change, row.differs) for row in rows] == [("a", False), ("b", None), ("c", False)]


def test_whole_comes_first_then_the_most_errors():
    whole = candidate("whole", 200, 205, 202)
    rows = against_whole(whole, [candidate("a", 204, 200, 207), candidate("b", 800, 805, 810)])
    assert [(row.change, row.differs) for row in rows] == [
        ("whole", None),
        ("b", True),
        ("a", False),
    ]


def test_table_without_any_result_has_a_row_for_each():
    assert [row.n for row in against_best([candidate("a"), candidate("b")])] == [0, 0]
    assert [row.n for row in against_whole(candidate("a"), [candidate("b", 3)])] == [0, 1]


@pytest.fixture(scope="module")
def swept(tmp_path_factory, without_tests):
    """A folder, and the table of a sweep in it: no files of test images are there."""
    folder = tmp_path_factory.mktemp("swept")
    done = call(*SWEEP, "--seeds", 2, *HELD_OUT, "--data-dir", without_tests, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def sweep(folder, data, *options):
    return call(*SWEEP, *options, "--data-dir", data, cwd=folder)


def test_sweep_works_without_the_files_of_the_test_images(swept):
    lines = swept[1].stdout.splitlines()
    assert lines[0].split()[:3] == ["change", "n", "errors"]
    assert [line.split()[:2] for line in lines[1:3]] == [
        ["phases.0.lr=1e-2", "2"],
        ["phases.0.lr=1e-4", "2"],
    ]
    assert "Errors of 128 training images, held out of training" in swept[1].stdout
    assert lines[-1].startswith("mnistladder run model02_normalized --set phases.0.epochs=2 --set ")
    assert max(map(len, lines[:3])) <= 80


def test_sweep_again_trains_nothing_and_more_seeds_add_to_it(swept, without_tests):
    again = sweep(swept[0], without_tests, "--seeds", 2, *HELD_OUT)
    assert (again.stdout, again.stderr) == (swept[1].stdout, "")
    more = sweep(swept[0], without_tests, "--seeds", 3, *HELD_OUT, "--json")
    assert more.stderr.count("epoch 1/2") == 2
    content = json.loads(more.stdout)
    assert (content["rung"], content["holdout"]) == ("model02_normalized", 128)
    assert [row["seeds"] for row in content["rows"]] == [[0, 1, 2]] * 2
    assert [row["is_reference"] for row in content["rows"]] == [True, False]
    assert content["rows"][1]["difference"] > 0 >= content["rows"][1]["p"] - 1


def test_results_of_a_sweep_are_ordinary_results(swept, without_tests):
    ours = ("run", "model02_normalized", "--set", "phases.0.epochs=2", "--set", "phases.0.lr=1e-2")
    done = call(*ours, *HELD_OUT, "--data-dir", without_tests, cwd=swept[0])
    assert "[stored]" in done.stdout
    report = call("report", "--json", "--holdout", 128, cwd=swept[0])
    assert len(json.loads(report.stdout)) == 2


def test_without_time_the_table_has_what_is_stored_and_one_line_says_so(swept, without_tests):
    options = ("--over", SIZES, "--seeds", 2, *HELD_OUT, "--minutes", 0, "--quiet")
    done = sweep(swept[0], without_tests, *options)
    assert done.returncode == 0
    assert [line.split()[2] for line in done.stdout.splitlines()[1:5]] == ["2", "2", "0", "0"]
    assert len(done.stderr.splitlines()) == 1
    assert "the time is up (--minutes 0): 4 of 8 results are left out, from " in done.stderr
    assert "To go on: mnistladder" in done.stderr


@pytest.mark.parametrize("command", [SWEEP, ("ablate", "model02_normalized")])
def test_without_a_holdout_nothing_is_trained(tmp_path, without_tests, command):
    done = call(*command, "--data-dir", without_tests, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--holdout 10000" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    both = call(*command, "--on-test", "--holdout", 128, cwd=tmp_path)
    assert (both.returncode, [*tmp_path.iterdir()]) == (2, [])


def test_sweep_on_the_test_images_counts_as_tested(tmp_path, digits_dir):
    done = sweep(tmp_path, digits_dir, "--seeds", 1, "--on-test", "--jobs", 1)
    assert done.returncode == 0, done.stderr
    assert "counts each change as tested" in done.stdout
    assert "Test it, once" not in done.stdout
    rows = json.loads(call("report", "--json", cwd=tmp_path).stdout)
    assert [row["tested"] for row in rows] == [2, 2]


def test_values_that_mean_the_same_are_one_row(tmp_path, without_tests):
    same = ("--over", "label_smoothing=0,0.0")
    done = sweep(tmp_path, without_tests, *same, *HELD_OUT, "--minutes", 0, "--json", "--quiet")
    assert len(json.loads(done.stdout)["rows"]) == 2


def test_value_that_is_refused_is_one_line(tmp_path, without_tests):
    done = sweep(tmp_path, without_tests, "--over", "batch_size=32,abc", *HELD_OUT)
    assert done.returncode == 2
    assert "--set batch_size=abc: `batch_size`: expected an integer, found 'abc'" in done.stderr


def test_diverged_change_has_no_result_and_the_others_have(tmp_path, without_tests):
    command = ("sweep", "model04_deep", "--set", "optimizer={name: sgd}", "--seeds", 1)
    plan = ("--over", "phases.0.lr=1e-3,100", "--set", "phases.0.epochs=1", *HELD_OUT)
    done = call(*command, *plan, "--data-dir", without_tests, cwd=tmp_path)
    assert done.returncode == 7
    assert "phases.0.lr=100 [holdout 128] seed 0: no result: " in done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:3]] == [
        ["phases.0.lr=1e-3", "1"],
        ["phases.0.lr=100", "0"],
    ]


def test_ablate_compares_each_part_with_the_whole(tmp_path, without_tests):
    command = ("ablate", "model02_normalized", "--set", "phases.0.epochs=1", "--seeds", 2)
    done = call(*command, *HELD_OUT, "--data-dir", without_tests, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("against the whole")
    assert [lines[1][:9], lines[2][:17]] == ["the whole", "without normalize"]
    dry = call(
        *command, *HELD_OUT, "--dry-run", "--json", "--data-dir", without_tests, cwd=tmp_path
    )
    assert [row["stored"] for row in json.loads(dry.stdout)] == [True] * 4


def test_nothing_to_leave_out_is_told(tmp_path):
    done = call("ablate", "model01_linear", "--holdout", 128, cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "has nothing that `ablate` can leave out" in done.stderr
