"""The command line as a user and as other programs meet it: real processes, real small data."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import call

from mnistladder.cli import app
from mnistladder.cli.panels import PANEL_OF, PANELS

RUNGS = ("model01_linear", "model02_normalized", "model03_hidden")
TINY = ["--set", "phases.0.epochs=1"]


def mnistladder(*arguments, cwd, **environment):
    """Runs the command line in a folder; the completed process, its output as text."""
    command = [sys.executable, "-m", "mnistladder", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def climbed(tmp_path_factory, digits_dir):
    """A folder where rungs 1 to 3 were climbed with two seeds on the subset."""
    folder = tmp_path_factory.mktemp("climbed")
    done = mnistladder("ladder", "1-3", "--seeds", 2, "--data-dir", digits_dir, cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_ladder_prints_results_on_stdout_and_an_epoch_a_line_on_stderr(climbed):
    _, done = climbed
    assert done.stdout.count("errors of 256") == 6
    assert done.stderr.count("model02_normalized network 1: epoch ") == 5
    assert "\x1b" not in done.stdout + done.stderr


def test_more_networks_than_can_be_planned_are_refused(tmp_path):
    done = mnistladder("ladder", "--all", "--seeds", 10_000, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "at most 10,000 at once" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_ladder_again_trains_nothing(climbed, digits_dir):
    folder, _ = climbed
    done = mnistladder("ladder", "1-3", "--seeds", 2, "--data-dir", digits_dir, cwd=folder)
    assert done.stdout.count("[stored]") == 6
    assert done.stderr == "mnistladder: next: mnistladder report\n"


def test_run_json_has_the_promised_fields(climbed, digits_dir):
    folder, _ = climbed
    done = mnistladder("run", "model03_hidden", "--json", "--data-dir", digits_dir, cwd=folder)
    [result] = json.loads(done.stdout)
    promised = "rung seed errors accuracy members parameters epochs train_s total_s device"
    assert {*promised.split(), "result_id", "predictions_sha256", "reused"} <= result.keys()
    assert (result["rung"], result["seed"], result["parameters"]) == ("model03_hidden", 0, 79510)
    assert result["reused"] is True
    assert result["accuracy"] == pytest.approx(100 * (1 - result["errors"] / 256), abs=1e-4)


def test_stored_result_is_returned_without_importing_torch(climbed, digits_dir):
    folder, _ = climbed
    code = (
        "import sys, mnistladder.cli as c; sys.argv = ['mnistladder', 'run', 'model03_hidden', "
        f"'--data-dir', {str(digits_dir)!r}]\n"
        "try: c.main()\n"
        "except SystemExit as e: assert not e.code\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list"],
        ["report"],
        ["show", "model09_dropout"],
        ["schema"],
        ["validate", "model01_linear"],
        ["ladder", "--help"],
        ["run", "--help"],
        ["layers"],
        ["leaderboard"],
        ["explain", "rung"],
    ],
)
def test_commands_that_look_never_import_torch(tmp_path, arguments):
    code = (
        f"import sys, mnistladder.cli as c; sys.argv = ['mnistladder', *{arguments!r}]\n"
        "try: c.main()\n"
        "except SystemExit as e: assert not e.code, e.code\n"
        "assert not {'torch', 'torchvision'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_report_json_has_the_promised_fields(climbed):
    folder, _ = climbed
    rows = json.loads(mnistladder("report", "--format", "json", cwd=folder).stdout)
    promised = "rung n accuracy_mean errors_mean published_accuracy parameters train_s_mean device"
    assert [row["n"] for row in rows] == [2, 2, 2]
    assert all(set(promised.split()) <= row.keys() for row in rows)


@pytest.mark.parametrize("kind", ["table", "markdown", "csv", "json"])
def test_report_names_every_rung_in_every_format(climbed, kind):
    folder, _ = climbed
    text = mnistladder("report", "--format", kind, cwd=folder).stdout
    if kind == "json":
        names = [row["name"] for row in json.loads(text)]
    elif kind == "csv":
        names = [row["name"] for row in csv.DictReader(io.StringIO(text))]
    else:
        table = text.strip().split("\n\n")[0]
        names = [line.strip("| ").split()[0] for line in table.splitlines()]
    assert [name for name in names if name.startswith("model0")] == list(RUNGS)


def test_report_sorts_and_selects(climbed):
    folder, _ = climbed
    options = ["--format", "csv", "--rungs", "1,3", "--sort", "accuracy"]
    lines = mnistladder("report", *options, cwd=folder).stdout.splitlines()
    assert [line.split()[0].split(",")[0] for line in lines[1:]] == [
        "model03_hidden",
        "model01_linear",
    ]


def test_report_reads_a_board_from_elsewhere(climbed, tmp_path):
    folder, _ = climbed
    board = folder / "runs" / "leaderboard.json"
    done = mnistladder("report", "--board", board, "--json", cwd=tmp_path)
    assert len(json.loads(done.stdout)) == 3


def test_report_without_results_says_what_to_run(tmp_path):
    done = mnistladder("report", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "mnistladder run model02_normalized" in done.stderr
    assert json.loads(mnistladder("report", "--format", "json", cwd=tmp_path).stdout) == []


def test_report_of_a_missing_board_is_a_usage_error(tmp_path):
    done = mnistladder("report", "--board", "nowhere.json", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "mnistladder: nowhere.json: no such leaderboard\n"


def test_edited_board_is_refused_and_rebuilt_from_the_records(climbed):
    folder, _ = climbed
    board = folder / "runs" / "leaderboard.json"
    honest = board.read_bytes()
    board.write_bytes(honest.replace(b'"errors": ', b'"errors": 1', 1))
    assert mnistladder("report", cwd=folder).returncode == 4
    assert mnistladder("leaderboard", "--rebuild", cwd=folder).returncode == 0
    assert board.read_bytes() == honest


def test_verify_passes_and_one_changed_byte_ends_it_with_code_4(climbed, digits_dir, tmp_path):
    folder, _ = climbed
    shutil.copytree(folder / "runs", tmp_path / "runs")
    verify = ["verify", "--data-dir", digits_dir]
    done = mnistladder(*verify, "--all", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verified, probabilities bit for bit") == 6
    [row] = json.loads(mnistladder(*verify, "model02_normalized", "--json", cwd=tmp_path).stdout)
    assert (row["verified"], row["changed_predictions"]) == (True, 0)
    for path in (tmp_path / "runs").glob("members/*/checkpoint.safetensors"):
        content = bytearray(path.read_bytes())
        content[5000] ^= 1
        path.write_bytes(content)
    done = mnistladder(*verify, "model02_normalized", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert "checkpoint.safetensors: damaged" in done.stderr


def test_reproduce_finds_no_difference_and_repeats_stacking(climbed, digits_dir):
    folder, _ = climbed
    arguments = ["reproduce", "model02_normalized", "--seed", 1, "--data-dir", digits_dir]
    done = mnistladder(*arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "No difference in 5 epochs: the same weights, bit for bit." in done.stdout
    found = json.loads(mnistladder(*arguments, "--json", "--quiet", cwd=folder).stdout)
    assert (found["same"], found["first_difference"], found["other_machine"]) == (True, None, {})
    assert found["folder"].endswith("-2")


def test_verify_without_networks_says_to_reproduce(climbed, digits_dir, tmp_path):
    folder, _ = climbed
    shutil.copytree(folder / "runs" / "results", tmp_path / "runs" / "results")
    done = mnistladder("verify", "--all", "--data-dir", digits_dir, cwd=tmp_path)
    assert done.returncode == 2
    assert "prints their folder: mnistladder reproduce" in done.stderr


def test_list_json_has_the_promised_fields_and_knows_what_is_done(climbed):
    folder, _ = climbed
    rows = json.loads(mnistladder("list", "--json", cwd=folder).stdout)
    promised = {"name", "title", "parameters", "epochs", "members", "published_accuracy", "done"}
    assert all(promised <= row.keys() for row in rows)
    rungs = [row for row in rows if row["variant_of"] is None]
    assert [row["done"] for row in rungs] == [True] * 3 + [False] * 10
    assert {row["variant_of"] for row in rows} > {"model01_linear", "model11_annealing"}


def test_runs_dir_may_come_from_the_environment(tmp_path, digits_dir):
    elsewhere = tmp_path / "elsewhere"
    arguments = ["run", "model02_normalized", *TINY, "--data-dir", digits_dir, "--quiet"]
    done = mnistladder(*arguments, cwd=tmp_path, MNISTLADDER_RUNS=str(elsewhere))
    assert done.stderr == ""
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


FIVE_MISTAKES = """\
title: Broken
model:
  - normalise
  - conv: {out: 7, kernal: 3}
  - flatten
  - dense: {out: ten}
batch_size: 32.0
phases:
  - {epochs: 5, lrr: 1e-3}
"""


def test_five_mistakes_get_five_lines_and_create_nothing(tmp_path):
    (tmp_path / "broken.yaml").write_text(FIVE_MISTAKES)
    done = mnistladder("run", "broken.yaml", cwd=tmp_path)
    lines = done.stderr.removeprefix("mnistladder: ").splitlines()
    assert done.returncode == 2
    assert [line.split(": ")[0] for line in lines] == [
        f"broken.yaml:{place}" for place in ("3:5", "4:20", "6:18", "7:13", "9:17")
    ]
    suggested = ["`normalize`", "`kernel`", None, None, "`lr`"]
    assert all(
        word is None or f"did you mean {word}?" in line
        for word, line in zip(suggested, lines, strict=True)
    )
    assert [path.name for path in tmp_path.iterdir()] == ["broken.yaml"]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["run", "model2"], 2, "no such rung"),
        (["run", "nowhere.yaml"], 2, "no such file"),
        (["run", "model02_normalized", "--set", "phases.0.lr"], 2, "expected key.path=value"),
        (["run", "model02_normalized", "--device", "tpu"], 2, "expected auto, cpu, cuda"),
        (["run", "model02_normalized", "--data-dir", "nowhere"], 3, "no such folder"),
        (["run", "model02_normalized", "--data", "kmnist"], 3, "data kmnist --download"),
        (["ladder"], 2, "or give --all"),
        (["ladder", "20-30"], 2, "the ladder has 1 to 13"),
        (["ladder", "--all", "1"], 2, "or give --all"),
        (["report", "--rungs", "7"], 2, "no results of model07_vgg"),
        (["new", "../escape"], 2, "use 1 to 64 letters"),
        (["data", "--download"], 2, "name one of"),
        (["leaderboard", "--rebuild"], 2, "no results there"),
    ],
)
def test_mistakes_get_one_line_a_code_and_no_traceback(tmp_path, arguments, code, text):
    done = mnistladder(*arguments, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == code, done.stderr
    assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(
    "CUDA_VISIBLE_DEVICES" not in os.environ and Path("/dev/nvidia0").exists(), reason="has CUDA"
)
def test_cuda_where_there_is_none_ends_with_code_5(tmp_path, digits_dir):
    arguments = ["run", "model02_normalized", "--device", "cuda", "--data-dir", digits_dir]
    done = mnistladder(*arguments, cwd=tmp_path)
    assert done.returncode == 5
    assert "0 CUDA devices here" in done.stderr


def test_diverged_loss_names_epoch_and_phase_and_ends_with_code_7(tmp_path, digits_dir):
    changes = ["--set", "optimizer={name: sgd}", "--set", "phases.0.lr=100"]
    arguments = ["run", "model04_deep", *changes, "--data-dir", digits_dir]
    done = mnistladder(*arguments, cwd=tmp_path)
    assert done.returncode == 7
    assert "epoch 1, phase 0: the loss is" in done.stderr
    assert not (tmp_path / "runs" / "leaderboard.json").exists()


def test_new_config_validates_shows_and_is_not_overwritten(tmp_path):
    assert mnistladder("new", "mine", cwd=tmp_path).stdout == "mine.yaml\n"
    assert mnistladder("validate", "mine.yaml", cwd=tmp_path).stdout == "mine.yaml: ok\n"
    assert "20,586" in mnistladder("show", "mine.yaml", cwd=tmp_path).stdout
    before = (tmp_path / "mine.yaml").read_text()
    assert mnistladder("new", "mine", cwd=tmp_path).returncode == 2
    assert (tmp_path / "mine.yaml").read_text() == before


def test_dry_run_counts_shared_networks_once_and_trains_nothing(tmp_path):
    (tmp_path / "runs").mkdir()  # speeds are kept only where a folder is
    done = mnistladder("ladder", "11-13", "--dry-run", "--json", cwd=tmp_path)
    rows = json.loads(done.stdout)
    assert [row["networks_to_train"] for row in rows] == [1, 4, 5]
    assert [row["epochs_to_train"] for row in rows] == [28, 4 * 28, 5 * 5]
    assert all(row["estimated_s"] > 0 for row in rows)
    [speeds] = (tmp_path / "runs").iterdir()
    shown = json.loads(mnistladder("show", "model11_annealing", "--json", cwd=tmp_path).stdout)
    assert speeds.name == "calibration.json"
    assert shown["cost"]["estimated_from"] == "calibration"
    assert shown["cost"]["estimated_train_s"] == pytest.approx(rows[0]["estimated_s"], rel=0.01)


def test_doctor_finds_this_installation_whole(tmp_path):
    done = mnistladder("doctor", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["problems"]) == (0, True, [])
    assert found["torch"]["torch"].startswith(found["versions"]["torch"])
    assert list(tmp_path.iterdir()) == []


def test_doctor_says_a_line_a_check_and_what_to_do(tmp_path):
    done = call("doctor", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines[:-2]} == {"ok"}
    assert lines[-1] == "Everything that training needs is here."
    (tmp_path / "file").write_text("")
    done = call("doctor", "--data-dir", "nowhere", "--runs-dir", "file", cwd=tmp_path)
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert done.returncode == 1
    assert [line.split()[1] for line in missing] == ["data", "runs"]
    assert "no such folder" in missing[0]
    assert "--runs-dir" in missing[1]


def test_help_groups_every_command_and_gives_each_an_example(tmp_path):
    help_text = call("--help", cwd=tmp_path).stdout
    places = [help_text.index(f" {panel} ") for panel in PANELS]
    assert places == sorted(places)
    names = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert sorted(names) == sorted(PANEL_OF)
    assert all("mnistladder" in (command.epilog or "") for command in app.registered_commands)


def test_data_shows_hash_and_class_counts(tmp_path):
    [row] = json.loads(mnistladder("data", "mnist", "--json", cwd=tmp_path).stdout)
    assert row["sha256"].startswith("25c98f992c005963")
    assert row["test"]["class_counts"] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_rung_names_are_completed():
    from mnistladder.cli.base import complete_rungs

    assert complete_rungs("model0")[:2] == ["model01_linear", "model02_normalized"]
    assert complete_rungs("model13") == ["model13_pseudolabel"]


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_output_that_nobody_reads_to_its_end_is_no_error(tmp_path, reader):
    script = f"{sys.executable} -m mnistladder schema | {reader}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_output_to_a_full_disk_ends_with_code_5(tmp_path):
    script = f"{sys.executable} -m mnistladder schema > /dev/full"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (5, False)
    assert "No space left" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_line_to_a_full_disk_ends_with_code_5(tmp_path):
    script = f"{sys.executable} -m mnistladder list > /dev/full"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (5, "mnistladder: stdout: No space left on device\n")


def test_a_line_that_nobody_reads_is_no_error(tmp_path):
    script = f"(sleep 2; {sys.executable} -m mnistladder list; echo $? >&2) | true"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == "0\n"


def test_same_run_twice_at_once_trains_once_and_both_succeed(tmp_path, digits_dir):
    arguments = ["run", "model05_conv", "--json", "--data-dir", str(digits_dir)]
    command = [sys.executable, "-m", "mnistladder", *arguments]
    both = [
        subprocess.Popen(
            command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in both]
    results = [json.loads(stdout)[0] for stdout, _ in ended]
    assert results[0]["predictions_sha256"] == results[1]["predictions_sha256"]
    assert sum(stderr.count("epoch 1/5") for _, stderr in ended) == 1
    assert len(list((tmp_path / "runs" / "results").glob("*/*.json"))) == 1
