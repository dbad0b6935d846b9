"""One way to name a rung or a result, in every command that takes one."""

import json
import shlex
from pathlib import Path

import pytest
from commands import call

from mnistladder.api import naming
from mnistladder.config.loading import load_rung
from mnistladder.errors import UsageError

OWN = """\
title: My rung
model: [normalize, flatten, {dense: {out: 10}}]
phases:
  - {epochs: 1, lr: 1e-3}
"""
CHANGE = ["--set", "phases.0.epochs=1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits_dir):
    """A folder with an own rung and results of it, of rung 2, and of rung 2 with an override."""
    path = tmp_path_factory.mktemp("names")
    (path / "mine.yaml").write_text(OWN)
    for arguments in (["mine"], ["2", "--seeds", 2], ["2", "--seeds", 2, *CHANGE]):
        done = call("run", *arguments, "--quiet", "--data-dir", digits_dir, cwd=path)
        assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def here(folder, monkeypatch):
    """The same, as the current folder: its own rungs are known by name."""
    monkeypatch.chdir(folder)
    return folder / "runs"


def test_number_name_file_and_id_mean_the_same_rung(here):
    record = naming.result("2", here)
    for reference in ("2", "model02_normalized", record.result_id, record.result_id[:6]):
        assert naming.rung(reference, None, here).config == load_rung("model02_normalized").config
        assert naming.result(reference, here) == record
    for reference in ("mine", "mine.yaml", "./mine.yaml"):
        assert naming.rung(reference, None, here).name == "mine"
        assert naming.result(reference, here).rung == "mine"


def test_overrides_by_option_and_label_mean_one_result_that_is_not_the_rungs(here):
    plain = naming.result("2", here, 1)
    record = naming.result("2", here, 1, ["phases.0.epochs=1"])
    assert (record.overrides, record.seed) == (("phases.0.epochs=1",), 1)
    assert naming.result("model02_normalized phases.0.epochs=1", here, 1) == record
    assert record != plain
    assert naming.rung(record.result_id, None, here).overrides == record.overrides
    changed = "model02_normalized optimizer={name: sgd} batch_size=64"
    assert naming.rung(changed, None, here).overrides == ("optimizer={name: sgd}", "batch_size=64")


def test_edited_file_is_not_its_old_result(here, tmp_path):
    edited = tmp_path / "mine.yaml"
    edited.write_text(OWN.replace("1e-3", "1e-2"))
    with pytest.raises(UsageError, match="no result with seed 0"):
        naming.result(str(edited), here)
    edited.write_text(OWN)
    assert naming.result(str(edited), here).rung == "mine"


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ("1-3", "means 3 rungs; name one"),
        ("2-3", "means 2 rungs; name one"),  # the first of them has results here
        ("14", "the ladder has 1 to 13"),
        ("mien", "did you mean `mine`"),
        ("abcdef", "abcdef: no such (rung|result)"),
    ],
)
def test_name_that_means_no_rung_or_several_is_a_usage_error(here, reference, text):
    for find in (
        lambda: naming.rung(reference, None, here),
        lambda: naming.result(reference, here),
    ):
        with pytest.raises(UsageError, match=text):
            find()


def test_result_is_not_changed_by_set(here):
    identifier = naming.result("2", here).result_id
    with pytest.raises(UsageError, match="`--set` changes a rung: model02_normalized"):
        naming.rung(identifier, ["batch_size=64"], here)


@pytest.mark.parametrize(
    "command",
    [
        ["errors", "mine", "--seed", 3],
        ["errors", "2", "--set", "phases.0.epochs=1", "--set", "batch_size=64"],
        ["verify", "mine.yaml", "--seed", 1],
        ["compare", "2", "mine batch_size=128"],
        ["compare", "2", "2", "--set", "optimizer={name: sgd}"],
    ],
    ids=lambda command: " ".join(map(str, command)),
)
def test_missing_result_is_made_by_the_command_in_the_message(folder, digits_dir, command):
    """The command is taken from the message as it is; only the data are smaller here."""
    given = [*command, "--runs-dir", folder / "runs"]
    refused = call(*given, cwd=folder)
    assert refused.returncode == 2
    program, *printed = shlex.split(refused.stderr.partition("get ")[2].partition(": ")[2])
    assert program == "mnistladder"
    made = call(*printed, "--quiet", "--data-dir", digits_dir, cwd=folder)
    assert made.returncode == 0, made.stderr
    on_data = [] if command[0] == "compare" else ["--data-dir", digits_dir]
    done = call(*given, *on_data, cwd=folder)
    assert done.returncode == 0, done.stderr


def test_compare_takes_overrides_for_the_second_and_ids_for_one_seed(folder):
    found = json.loads(call("compare", "2", "2", *CHANGE, "--json", cwd=folder).stdout)
    assert found["before"] == "model02_normalized"
    assert found["after"] == "model02_normalized phases.0.epochs=1"
    assert (found["n"], found["p_holm"]) == ([2, 2], None)
    turned = ["model02_normalized phases.0.epochs=1", "2", "--json"]
    assert (
        json.loads(call("compare", *turned, cwd=folder).stdout)["difference"]
        == -(found["difference"])
    )
    ids = [naming.result("2", folder / "runs", seed).result_id for seed in (0, 1)]
    found = json.loads(call("compare", *ids, "--json", cwd=folder).stdout)
    assert (found["n"], found["tests"].keys()) == ([1, 1], {"McNemar"})
    assert found["after"] == "model02_normalized seed 1"
    same = call("compare", "2", "model02_normalized", cwd=folder)
    assert (same.returncode, "name two different ones" in same.stderr) == (2, True)


def test_ladder_and_report_take_files_names_and_ids(folder, digits_dir):
    identifier = naming.result("2", folder / "runs", 0, ["phases.0.epochs=1"]).result_id
    names = ["mine.yaml", "mine", "2", identifier]
    done = call("ladder", *names, "--data-dir", digits_dir, "--json", cwd=folder)
    made = [(row["rung"], row["overrides"], row["reused"]) for row in json.loads(done.stdout)]
    assert ("model02_normalized", ["phases.0.epochs=1"], True) in made
    assert {rung for rung, _, _ in made} == {"mine", "model02_normalized"}
    rows = json.loads(call("report", "--rungs", "mine.yaml", "--json", cwd=folder).stdout)
    assert {row["name"] for row in rows} == {"mine"}


def test_list_shows_own_and_overridden_rungs_with_what_differs(folder):
    rows = json.loads(call("list", "--json", cwd=folder).stdout)
    yours = {(row["name"], *row["overrides"]): row for row in rows if row["changes"] is not None}
    own = yours[("mine",)]
    assert (own["base"], own["done"]) == ("model02_normalized", True)
    assert own["changes"] == ["{epochs: 1, lr: 0.001}"]
    changed = yours[("model02_normalized", "phases.0.epochs=1")]
    assert (changed["base"], changed["changes"]) == ("model02_normalized", ["phases.0.epochs=1"])
    said = call("list", cwd=folder).stdout
    assert "model02_normalized: {epochs: 1" in said
    (folder / "compose.yaml").write_text("services: {}\n")
    assert "compose" not in call("list", cwd=folder).stdout


def test_compare_and_list_name_data_other_than_mnist(folder, digits_dir):
    done = call("compare", "2", "2", *CHANGE, "--json", cwd=folder)
    assert json.loads(done.stdout)["data"] == digits_dir.name
    said = call("compare", "2", "2", *CHANGE, cwd=folder).stdout
    assert f"Measured on {digits_dir.name}, not on MNIST." in said
    rows = json.loads(call("list", "--json", cwd=folder).stdout)
    assert {name for row in rows if row["done"] for name in row["data"]} == {digits_dir.name}
    table = call("list", cwd=folder).stdout
    assert f"on {digits_dir.name}" in table
    last = [line.split()[-1] for line in table.splitlines() if line and "epochs" not in line]
    assert "done" not in last


def test_results_of_mnist_are_done_and_compared_without_its_name(tmp_path):
    board = ["--runs-dir", Path(__file__).parents[1] / "results"]
    said = call("compare", "5", "6", *board, cwd=tmp_path).stdout
    assert "Measured on" not in said
    assert json.loads(call("compare", "5", "6", *board, "--json", cwd=tmp_path).stdout)["data"]
    assert "done" in call("list", *board, cwd=tmp_path).stdout.splitlines()[1]
