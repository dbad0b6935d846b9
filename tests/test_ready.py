"""Networks that come with the package: everything works with nothing trained."""

import json
import shutil

import numpy as np
import pytest
from commands import call
from PIL import Image

import mnistladder
from mnistladder.data import datasets
from mnistladder.errors import CorruptError
from mnistladder.runs import ready, results

RECORDS = results.stored_results(ready.FOLDER).records
MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with photos of the first six test digits and nothing else."""
    folder = tmp_path_factory.mktemp("home")
    for number, digit in enumerate(datasets.find("mnist").load().test.images[:6]):
        page = Image.new("L", (400, 400), 240)
        page.paste(Image.fromarray(240 - digit // 8 * 7).resize((280, 280)), (60, 60))
        page.save(folder / f"{number}.png")
    return folder


@pytest.fixture
def empty(tmp_path, monkeypatch):
    monkeypatch.delenv("MNISTLADDER_RUNS", raising=False)
    return tmp_path


def test_package_has_whole_records_with_all_that_belongs_to_them_and_is_small():
    assert len(RECORDS) >= 4
    assert results.stored_results(ready.FOLDER).damaged == {}
    hashes = {sha256 for record in RECORDS for sha256 in record.weights_sha256}
    assert {path.stem for path in (ready.FOLDER / "networks").iterdir()} == hashes
    ids = {record.result_id for record in RECORDS}
    assert {path.stem for path in (ready.FOLDER / "predictions").iterdir()} == ids
    size = sum(path.stat().st_size for path in ready.FOLDER.rglob("*") if path.is_file())
    assert size <= MOST_BYTES


def test_photos_are_read_with_nothing_trained(empty, home):
    photos = sorted(home.iterdir())
    done = call("predict", *photos, "--json", cwd=empty)
    assert done.returncode == 0, done.stderr
    assert "answered by the ready networks of " in done.stderr
    said = [row["digit"] for row in json.loads(done.stdout)]
    truth = datasets.find("mnist").load().test.labels[:6]
    assert (np.array(said) == truth).sum() >= 4
    named = call("predict", "2", photos[0], cwd=empty)
    assert named.returncode == 0
    assert "model02_normalized seed 0: not in runs; the ready networks" in named.stderr
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("words", [["2"], ["model02_normalized"], ["model02_normalised", "a.png"]])
def test_word_that_is_no_image_needs_images_after_it(empty, words):
    done = call("predict", *words, cwd=empty)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name the image files after it" in done.stderr or "no such rung" in done.stderr


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.rung)
def test_ready_networks_still_say_what_their_record_says(empty, record):
    [row] = json.loads(call("verify", record.result_id, "--json", cwd=empty).stdout)
    assert (row["verified"], row["changed_predictions"], row["wrong_fields"]) == (True, 0, [])
    assert row["largest_change"] < 1e-6


def test_pictures_exports_and_the_api_use_them(empty):
    [first, *_] = RECORDS
    assert len(json.loads(call("errors", 1, "--json", cwd=empty).stdout)["errors"]) == first.errors
    assert call("gallery", 1, "--dir", "pictures", cwd=empty).returncode == 0
    assert (
        "The same 10,000 predictions" in call("export", 1, "--to", "safetensors", cwd=empty).stdout
    )
    shown = call("show", 1, cwd=empty).stdout
    assert f"{first.errors:,} errors of 10,000; these networks are in the package" in shown
    test = datasets.find("mnist").load().test
    networks = mnistladder.load("model01_linear", runs_dir=empty)
    assert int((networks(test.images).argmax(1) != test.labels).sum()) == first.errors


def test_own_result_comes_first_and_another_seed_or_recipe_is_not_taken(empty, digits_dir):
    run = ["run", "1", "--set", "phases.0.epochs=1", "--data-dir", digits_dir, "--quiet"]
    assert call(*run, "--jobs", 1, cwd=empty).returncode == 0
    for options in (["--seed", 1], ["--set", "batch_size=64"]):
        done = call("errors", 2, *options, cwd=empty)
        assert (done.returncode, "mnistladder run" in done.stderr) == (2, True)
    own = ["errors", 1, "--set", "phases.0.epochs=1", "--data-dir", digits_dir, "--json"]
    assert call(*own, cwd=empty).stderr == ""


def test_changed_weights_are_refused(tmp_path):
    shutil.copytree(ready.FOLDER, tmp_path, dirs_exist_ok=True)
    record = RECORDS[0]
    path = ready.path_of(tmp_path, record.weights_sha256[0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptError, match="the hash of its weights is not its name"):
        ready.load(record, tmp_path)
    path.write_bytes(content[:-100])
    with pytest.raises(CorruptError, match="no weights of such a network"):
        ready.load(record, tmp_path)


def test_best_makes_the_fewest_errors_and_of_equal_ones_never_saw_the_test_images():
    few = RECORDS[0].model_copy(update={"errors": 1, "transductive": True})
    same = few.model_copy(update={"transductive": False})
    assert ready.best([*RECORDS, few, same]) == same
    assert ready.best([]) is None
