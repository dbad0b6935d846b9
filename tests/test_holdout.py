"""A holdout is a data set of its own, made of training images; the test files stay closed."""

import json
from contextlib import closing

import numpy as np
import pytest
import small
from commands import call

from mnistladder.api import naming
from mnistladder.config.spec import Rung
from mnistladder.data import datasets, holdout
from mnistladder.errors import DataError, UsageError
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.executors import InProcess
from mnistladder.runs import leaderboard, results

N = 128
OF_10_000 = "4e73973603b6609ab838a64f844353521c13a1b42b7fd6ef8b730b002296298f"
PSEUDO = small.tiny(members=2, pool="test", phases=small.phases(1, 1, pseudo_per_batch=16))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def climbed(runs, source, config):
    """The record of a config at seed 0."""
    ladder = Ladder([Attempt(Rung("rung", config), 0, source)], runs, 4)
    with closing(InProcess(runs, small.CPU, lambda event: None)) as executor:
        [outcome] = ladder.climb(executor, lambda event: None)
    return outcome.record


def test_holdout_is_the_last_training_images_and_the_others_train(without_tests, source):
    found, whole = holdout.find("", without_tests, N), source.load().train
    data = found.load()
    for part, images in ((data.train, slice(0, 512 - N)), (data.test, slice(512 - N, 512))):
        assert np.array_equal(part.images, whole.images[images])
        assert np.array_equal(part.labels, whole.labels[images])
    assert found.sizes() == (512 - N, N)
    assert np.array_equal(found.test_labels(), data.test.labels)
    assert found.name == "digits"


def test_files_of_the_test_images_are_needed_only_without_a_holdout(without_tests):
    assert holdout.find("", without_tests, N).load().test.labels.size == N
    with pytest.raises(DataError, match="t10k-images-idx3-ubyte: no such file"):
        holdout.find("", without_tests, None)


def test_each_holdout_has_a_hash_of_its_own(digits_dir, source):
    hashes = [holdout.find("", digits_dir, count).sha256 for count in (N, N, N + 1)]
    assert hashes[0] == hashes[1]
    assert len({*hashes, source.sha256}) == 3


def test_holdout_is_the_data_set_that_its_arrays_are_in_a_folder(tmp_path, without_tests):
    held_out = holdout.find("", without_tests, N)
    data = held_out.load()
    datasets.write_folder(tmp_path / "plain", data.train, data.test)
    plain = datasets.find("", tmp_path / "plain")
    assert plain.sha256 == held_out.sha256
    ours, theirs = (
        climbed(tmp_path / name, each, PSEUDO)  # its pool is the images that are held out
        for name, each in (("ours", held_out), ("theirs", plain))
    )
    same = ("result_id", "member_keys", "weights_sha256", "predictions_sha256", "wrong_images")
    assert all(getattr(ours, name) == getattr(theirs, name) for name in same)
    assert (ours.data.holdout, theirs.data.holdout) == (N, None)
    assert "holdout" not in theirs.plain()["data"]


def test_workers_copy_of_a_holdout_lies_under_its_own_hash(tmp_path, without_tests, source):
    held_out = holdout.find("", without_tests, N)
    copy = held_out.unpacked(tmp_path / "copy")
    assert (copy.sha256, len(copy.test.labels)) == (held_out.sha256, N)
    assert datasets.find("", tmp_path / "copy").sha256 == held_out.sha256
    assert source.unpacked(tmp_path / "other").sha256 != held_out.sha256


@pytest.mark.parametrize("count", [-1, 0, 1, 511, 512, 10**12])
def test_holdout_of_too_few_or_too_many_images_is_refused(digits_dir, count):
    with pytest.raises(UsageError) as caught:
        holdout.find("", digits_dir, count)
    assert f"--holdout {count}: " in str(caught.value)
    assert "has 512 training images; hold out at least 2, and leave at least 2" in str(caught.value)


@pytest.mark.parametrize("count", [2, 510])
def test_smallest_and_largest_holdout_are_data_sets(digits_dir, count):
    assert holdout.find("", digits_dir, count).sizes() == (512 - count, count)


def test_hash_of_a_holdout_of_mnist_is_stored_and_damage_is_noticed(cache):
    assert holdout.find("mnist", None, 10_000).sha256 == OF_10_000
    [stored] = cache.rglob("*-10000.json")
    before = stored.read_bytes()
    stored.write_bytes(before.replace(OF_10_000[:8].encode(), b"00000000"))
    assert holdout.find("mnist", None, 10_000).sha256 == OF_10_000
    assert stored.read_bytes() == before


def test_stored_hash_is_used_instead_of_the_files(cache, monkeypatch):
    first = holdout.find("mnist", None, 10_000)
    monkeypatch.setattr(datasets, "read_folder", lambda *_: pytest.fail("the files were read"))
    assert holdout.find("mnist", None, 10_000) == first


def test_holdout_of_mnist_needs_no_cache(cache):
    cache.write_text("not a folder")
    assert holdout.find("mnist", None, 10_000).sha256 == OF_10_000


def test_other_training_images_are_not_taken_for_those_of_mnist(cache, monkeypatch):
    monkeypatch.setattr(holdout, "MNIST_TRAIN_SHA256", "0" * 64)
    with pytest.raises(DataError, match="not the training images of MNIST"):
        holdout.find("mnist", None, 10_000)
    assert not [*cache.rglob("*.json")]


@pytest.fixture(scope="module")
def stored(tmp_path_factory, digits_dir, without_tests):
    """A folder with rungs 2 and 3, each on a holdout and then on the test images."""
    folder = tmp_path_factory.mktemp("stored")
    for options in (("--data-dir", without_tests, "--holdout", N), ("--data-dir", digits_dir)):
        done = call("ladder", "2-3", *options, "--jobs", 1, "--json", cwd=folder)
        assert done.returncode == 0, done.stderr
        (folder / f"{len(options)}.json").write_text(done.stdout)
    return folder


def records(folder):
    """The results on the holdout, by rung."""
    every = results.all_results(folder / "runs")
    return {record.rung: record for record in every if record.data.holdout == N}


def test_run_says_what_it_was_tested_on(stored, without_tests):
    held_out, whole = (json.loads((stored / f"{count}.json").read_text()) for count in (4, 2))
    assert [row["holdout"] for row in held_out + whole] == [N, N, None, None]
    options = ("--data-dir", without_tests, "--holdout", N)
    done = call("run", "model02_normalized", *options, cwd=stored)
    assert f"model02_normalized [holdout {N}] seed 0: " in done.stdout
    assert "[stored]" in done.stdout


def test_holdout_has_no_published_figure_and_no_contested_images(stored):
    rows = json.loads(call("report", "--json", "--holdout", N, cwd=stored).stdout)
    assert [row["rung"].partition(" ")[2] for row in rows] == [f"[digits] [holdout {N}]"] * 2
    unknown = ("published_accuracy", "verdict", "uncontested_mean")
    assert {row[name] for row in rows for name in unknown} == {None}
    assert [row["holdout"] for row in rows] == [N, N]


def test_report_marks_holdouts_and_shows_only_them_if_asked(stored):
    every, chosen, none = (
        call("report", *options, cwd=stored).stdout
        for options in ((), ("--holdout", N), ("--holdout", N + 1))
    )
    assert (every.count(f"[holdout {N}]"), chosen.count(f"[holdout {N}]"), none) == (2, 2, "")
    assert len(every.splitlines()) == len(chosen.splitlines()) + 2


def test_curves_and_page_mark_holdouts_and_show_only_them_if_asked(stored, tmp_path):
    every, chosen = (
        call("report", "--curves", *options, cwd=stored).stdout
        for options in ((), ("--holdout", N))
    )
    assert every.count(f"[holdout {N}]: ") == chosen.count(f"[holdout {N}]: ") == 2
    assert tuple(text.count("published accuracy") for text in (every, chosen)) == (4, 2)
    page = tmp_path / "page.html"
    assert call("report", "--html", page, "--holdout", N, cwd=stored).returncode == 0
    assert f"[holdout {N}]" in page.read_text()


def test_leaderboard_marks_holdouts_and_shows_only_them_if_asked(stored):
    every, chosen = (
        call("leaderboard", *options, cwd=stored).stdout.splitlines()
        for options in ((), ("--holdout", N))
    )
    assert (len(every), len(chosen)) == (5, 3)
    assert sum(f"[holdout {N}]" in line for line in every) == 2


def test_compare_prefers_the_test_images_and_takes_a_holdout_if_asked(stored):
    rungs = ("model02_normalized", "model03_hidden")
    found = [
        json.loads(call("compare", *rungs, "--json", *options, cwd=stored).stdout)
        for options in ((), ("--holdout", N))
    ]
    assert [each["holdout"] for each in found] == [None, N]
    assert [each["images"] for each in found] == [256, N]
    said = call("compare", *rungs, "--holdout", N, cwd=stored).stdout
    assert f"on a holdout of {N} training images" in said
    missing = call("compare", *rungs, "--holdout", N + 1, cwd=stored)
    assert missing.returncode == 2
    assert f"mnistladder run model02_normalized --holdout {N + 1}" in missing.stderr


def done_rungs(folder, *options):
    rows = json.loads(call("list", "--json", *options, cwd=folder).stdout)
    return [row["name"] for row in rows if row["done"]]


def test_list_knows_what_is_done_on_the_holdout(stored):
    both = ["model02_normalized", "model03_hidden"]
    assert done_rungs(stored) == done_rungs(stored, "--holdout", N) == both
    assert done_rungs(stored, "--holdout", N + 1) == []


def test_result_on_a_holdout_alone_does_not_make_a_rung_done(tmp_path, stored):
    leaderboard.add_result(tmp_path / "runs", records(stored)["model02_normalized"])
    assert done_rungs(tmp_path) == []
    assert done_rungs(tmp_path, "--holdout", N) == ["model02_normalized"]


def test_name_means_the_result_on_the_test_images_and_with_the_option_that_on_the_holdout(stored):
    runs = stored / "runs"
    found = [naming.result("model02_normalized", runs, holdout=count) for count in (None, N)]
    assert [record.data.holdout for record in found] == [None, N]
    assert found[1].label == f"model02_normalized [holdout {N}] seed 0"
    with pytest.raises(UsageError, match=rf"with seed 0 \[holdout {N + 1}\]"):
        naming.result("model02_normalized", runs, holdout=N + 1)


def test_path_of_a_record_must_be_on_the_holdout_that_is_asked_for(stored):
    record = records(stored)["model03_hidden"]
    path = str(results.result_path(stored / "runs", record.rung, record.result_id))
    assert naming.result(path, stored) == naming.result(path, stored, holdout=N) == record
    with pytest.raises(UsageError, match="not a result on a holdout of 129 images"):
        naming.result(path, stored, holdout=N + 1)


@pytest.mark.parametrize("command", ["verify", "reproduce", "errors", "gallery"])
def test_result_on_a_holdout_says_itself_which_images_it_needs(stored, without_tests, command):
    reference = records(stored)["model02_normalized"].result_id
    done = call(command, reference, "--data-dir", without_tests, cwd=stored)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_gallery_of_a_holdout_has_a_folder_of_its_own(stored, digits_dir):
    for options in ((), ("--holdout", N)):
        call("gallery", "model03_hidden", "--data-dir", digits_dir, *options, cwd=stored)
    for folder in ("model03_hidden-seed-0-gallery", f"model03_hidden-holdout-{N}-seed-0-gallery"):
        assert len([*(stored / folder).iterdir()]) == 4


def test_all_results_are_verified_or_only_those_on_the_holdout(stored, digits_dir):
    for options, count in (((), 4), (("--holdout", N), 2)):
        done = call("verify", "--all", "--json", "--data-dir", digits_dir, *options, cwd=stored)
        assert done.returncode == 0, done.stderr
        assert [row["verified"] for row in json.loads(done.stdout)] == [True] * count


def test_refused_holdout_is_one_line_with_code_2_and_trains_nothing(tmp_path, digits_dir):
    done = call(
        "run", "model02_normalized", "--data-dir", digits_dir, "--holdout", 511, cwd=tmp_path
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert [*tmp_path.iterdir()] == []
