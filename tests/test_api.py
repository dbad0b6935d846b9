"""The API for programs: what docs/python.md shows, and what it does not show."""

import doctest
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import call

import mnistladder
from mnistladder import api
from mnistladder.api import notebook
from mnistladder.api.references import overrides
from mnistladder.errors import ConfigError, DivergedError, UsageError
from mnistladder.ladder.events import EpochDone, Finished

TOP = Path(__file__).parents[1]
SHORT = {"phases.0.epochs": 1}


def test_examples_of_the_document_hold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNISTLADDER_RUNS", raising=False)
    path = str(TOP / "docs" / "python.md")
    done = doctest.testfile(path, module_relative=False, optionflags=doctest.ELLIPSIS)
    assert (done.failed, done.attempted > 15) == (0, True)


def test_import_is_quick_and_every_name_is_there():
    code = (
        "import sys, mnistladder\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'mnistladder.api'}\n"
        "assert not heavy & sys.modules.keys()\n"
        "assert {'run', 'results', 'compare', 'load', 'Rung'} <= set(dir(mnistladder))\n"
        "mnistladder.results; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {*mnistladder.__all__} < {*api.__all__}
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = mnistladder.runn


@pytest.fixture(scope="module")
def trained(tmp_path_factory, digits_dir):
    """A runs folder, and two results in it."""
    runs = tmp_path_factory.mktemp("api") / "runs"
    return runs, mnistladder.run(2, seeds=2, set=SHORT, data_dir=digits_dir, runs_dir=runs)


def test_results_are_those_of_the_command(trained, digits_dir, tmp_path):
    arguments = ["run", "2", "--seeds", 2, "--set", "phases.0.epochs=1", "--data-dir", digits_dir]
    assert call(*arguments, "--quiet", "--jobs", 1, cwd=tmp_path).returncode == 0
    ours, theirs = trained[1], mnistladder.results(runs_dir=tmp_path / "runs")
    assert [r.predictions_sha256 for r in ours] == [r.predictions_sha256 for r in theirs]
    assert [r.result_id for r in ours] == [r.result_id for r in theirs]
    assert (ours[0].overrides, ours[0].config_sha256) == (
        theirs[0].overrides,
        theirs[0].config_sha256,
    )


def test_nothing_is_printed_and_flags_of_torch_stay(trained, digits_dir, tmp_path, capfd):
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(2)
    torch.set_deterministic_debug_mode("default")
    try:
        mnistladder.run(1, set=SHORT, data_dir=digits_dir, runs_dir=tmp_path)
        assert (torch.get_num_threads(), torch.get_deterministic_debug_mode()) == (2, 0)
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
    assert capfd.readouterr() == ("", "")


def test_function_receives_the_events_and_stored_results_make_none(trained, digits_dir, tmp_path):
    events = []
    options = {"data_dir": digits_dir, "runs_dir": tmp_path, "progress": events.append}
    first = mnistladder.run("1", set=SHORT, **options)
    assert [type(event) for event in events[1:]] == [EpochDone, Finished]
    events.clear()
    assert mnistladder.run("1", set=SHORT, **options) == first
    assert events == []


def test_bar_of_a_notebook_follows_the_epochs(digits_dir, tmp_path, monkeypatch):
    shown = []
    handle = types.SimpleNamespace(update=shown.append)
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=True)
    display = types.ModuleType("IPython.display")
    display.HTML, display.display = str, lambda html, display_id: handle
    assert not notebook.is_notebook()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    mnistladder.run(2, set={"phases.0.epochs": 2}, data_dir=digits_dir, runs_dir=tmp_path)
    assert ["epoch 0 of 2" in shown[0], "epoch 2 of 2 loss" in shown[-1]] == [True, True]
    shown.clear()
    mnistladder.run(1, set=SHORT, data_dir=digits_dir, runs_dir=tmp_path, progress=False)
    assert shown == []


def test_networks_take_one_image_or_many_and_refuse_others(trained, source):
    runs, records = trained
    networks = mnistladder.load(records[1], runs_dir=runs)
    images = source.load().test.images
    every = networks(images)
    assert int((every.argmax(1) != source.load().test.labels).sum()) == records[1].errors
    np.testing.assert_allclose(networks(images[0].astype(float)), every[:1], atol=1e-6)
    assert networks(images[:0]).shape == (0, 10)
    for wrong, text in ((images[:, :14], "14 x 28"), (images - 1.0, "0 .paper. to 255")):
        with pytest.raises(UsageError, match=text):
            networks(wrong)


def test_mistakes_are_the_exceptions_of_the_commands(trained, digits_dir, tmp_path):
    runs, records = trained
    options = {"data_dir": digits_dir, "runs_dir": tmp_path}
    with pytest.raises(ConfigError, match="batch_siz"):
        mnistladder.run(2, set={"batch_siz": 64}, **options)
    with pytest.raises(DivergedError, match="the loss is"):
        changes = {"optimizer": {"name": "sgd"}, "phases.0.lr": 100}
        mnistladder.run("model04_deep", set=changes, **options)
    with pytest.raises(UsageError, match="both are the same"):
        mnistladder.compare(records, records, runs_dir=runs)
    with pytest.raises(UsageError, match="no results in"):
        mnistladder.results(3, runs_dir=runs)


@pytest.mark.parametrize(
    ("value", "text"),
    [(64, "64"), (1e-5, "1.0e-05"), ("sgd", "sgd"), (None, "null"), ({"a": [1]}, "{a: [1]}")],
)
def test_values_become_the_yaml_of_the_option(value, text):
    assert overrides({"key": value}) == [f"key={text}"]
