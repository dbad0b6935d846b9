"""The commands that draw, as a user meets them."""

import json
from pathlib import Path

import pytest
from commands import call
from PIL import Image

from mnistladder.api import naming
from mnistladder.errors import ExitCode

BOARD = Path(__file__).parents[1] / "results"
RUNS = ("--runs-dir", BOARD)


def test_gallery_writes_four_pictures_and_says_where(tmp_path):
    done = call("gallery", "model12_averaging", *RUNS, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    folder = tmp_path / "model12_averaging-seed-0-gallery"
    names = ["random-right", "random-wrong", "sure-right", "sure-wrong"]
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.png" for name in names]
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        f"{folder.name}/{name}.png" for name in names
    ]
    for path in folder.iterdir():
        with Image.open(path) as picture:
            assert picture.size[0] > 1000


def test_gallery_as_json_names_each_picture(tmp_path):
    arguments = ["gallery", "model09_dropout", *RUNS, "--json", "--dir", "here"]
    first, second = (
        json.loads(call(*arguments, "--picks", picks, cwd=tmp_path).stdout) for picks in (1, 2)
    )
    assert [len(view["pictures"]) for view in first[:3]] == [10, 10, 100]
    assert first[0] != second[0]
    assert first[2:] == second[2:]
    assert (tmp_path / first[0]["file"]).is_file()
    wrong = set(naming.result("model09_dropout", BOARD).wrong_images)
    assert {picture["image"] for picture in first[1]["pictures"]} < wrong


def test_errors_lists_each_wrong_image_and_its_first_rung(tmp_path):
    done = call("errors", "model12_averaging", *RUNS, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    record = naming.result("model12_averaging", BOARD)
    assert sorted(row["image"] for row in found["errors"]) == list(record.wrong_images)
    assert len(found["rungs"]) == 13
    for row in found["errors"]:
        assert (row["first_right"] is None) == (row["image"] in found["never_right"])
        assert found["confusion"][row["label"]][row["predicted"]] > 0
    text = call("errors", "model12_averaging", *RUNS, cwd=tmp_path).stdout
    assert "model12_averaging seed 0: 36 errors of 10,000" in text
    assert "people contest this label" in text
    assert "gets these test images right in most of its seeds: 1014" in text


def test_errors_against_another_result_are_those_it_gets_right(tmp_path):
    done = call(
        "errors",
        "model12_averaging",
        "--vs",
        "model09_dropout",
        *RUNS,
        "--json",
        "--figure",
        "sheet.png",
        cwd=tmp_path,
    )
    found = json.loads(done.stdout)
    ours, theirs = (
        set(naming.result(name, BOARD).wrong_images)
        for name in ("model12_averaging", "model09_dropout")
    )
    assert {row["image"] for row in found["errors"]} == ours - theirs
    assert set(found["versus"]["wrong_in_both"]) == ours & theirs
    assert set(found["versus"]["wrong_there_only"]) == theirs - ours
    assert (tmp_path / "sheet.png").is_file()


def test_results_of_other_images_cannot_be_compared(tmp_path):
    half = "model13_pseudolabel_first_half"
    done = call("errors", "model12_averaging", "--vs", half, *RUNS, cwd=tmp_path)
    assert done.returncode == ExitCode.USAGE
    assert "not measured on the same test images" in done.stderr


def test_pictures_of_a_result_without_networks_say_how_to_get_them(tmp_path):
    done = call("gallery", "model09_dropout", "--seed", 3, *RUNS, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "1 of its networks is not in" in done.stderr
    assert "mnistladder reproduce " in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "model11_annealing"],
        ["data", "mnist", "--config", "model10_augmentation"],
        ["errors", "model12_averaging", *RUNS],
    ],
    ids=lambda arguments: arguments[0],
)
def test_figures_are_written_where_asked_and_other_files_refused(tmp_path, arguments):
    done = call(*arguments, "--figure", "a/figure.svg", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "a" / "figure.svg").read_text().startswith("<?xml")
    refused = call(*arguments, "--figure", "figure.txt", cwd=tmp_path)
    assert refused.returncode == ExitCode.USAGE
    assert "a figure's file ends with .png, .svg, .pdf" in refused.stderr
    assert not (tmp_path / "figure.txt").exists()


def test_page_of_a_few_rungs_is_written_and_named(tmp_path):
    done = call("report", "--html", "out/page.html", "--rungs", "1-2", *RUNS, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "out/page.html\n", "")
    text = (tmp_path / "out" / "page.html").read_text()
    assert 'id="model02_normalized"' in text
    assert "model03_hidden" not in text


def test_page_of_nothing_and_with_other_forms_is_refused(tmp_path):
    empty = call("report", "--html", "page.html", cwd=tmp_path)
    assert empty.returncode == ExitCode.USAGE
    assert "no results there" in empty.stderr
    both = call("report", "--html", "page.html", "--json", *RUNS, cwd=tmp_path)
    assert both.returncode == ExitCode.USAGE
    assert list(tmp_path.iterdir()) == []
