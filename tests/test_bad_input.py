"""A corpus of broken configs, and random ones: a clear message, a documented code (rows D).

Each file of `bad_configs` says in its first line what it must be told; what is no text, here.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.errors import ExitCode, UserError

CORPUS = Path(__file__).parent / "bad_configs"
BINARY = {
    "empty": "expected a mapping of keys, found nothing",
    "utf_16": "not UTF-8 text",
    "invalid_utf_8": "not UTF-8 text",
    "latin_1": "not UTF-8 text",
    "png": "not UTF-8 text",
    "gzip": "not UTF-8 text",
    "nul_byte": "control characters are not allowed",
}
FILES = sorted(CORPUS.glob("*.yaml"))


def expected(path):
    return BINARY.get(path.stem) or path.read_text().splitlines()[0].removeprefix("# expect: ")


def test_corpus_is_large():
    assert len(FILES) >= 100


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_bad_config_is_told_what_and_where_in_bounded_time(path):
    start = time.perf_counter()
    with pytest.raises(UserError) as caught:
        load_rung(str(path))
    assert time.perf_counter() - start < 2
    assert caught.value.exit_code is ExitCode.USAGE
    lines = str(caught.value).splitlines()
    assert len(lines) <= 21
    assert any(expected(path) in line for line in lines)
    assert all(line.startswith(f"{path}:") for line in lines)


def test_whole_corpus_at_once_creates_nothing_and_stays_small(tmp_path):
    """One process for all, with 1 GiB of memory and a minute; none hides another's message."""
    limit = 2**30
    done = subprocess.run(
        [sys.executable, "-m", "mnistladder", "validate", *map(str, FILES)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert done.returncode == ExitCode.USAGE
    assert "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr
    assert all(str(path) in done.stderr for path in FILES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["directory", "missing", "fifo", "zero", "loop", "unreadable"])
def test_what_is_no_file_is_told_at_once(tmp_path, kind):
    """D15: it never waits, and reads no more than a config may have."""
    path = tmp_path / "x.yaml"
    command = [sys.executable, "-m", "mnistladder", "validate", str(path)]
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        subprocess.run(["mkfifo", str(path)], check=True)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "unreadable":
        path.write_text("title: T\n")
        path.chmod(0)
        command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    if "setpriv:" in done.stderr or "ModuleNotFound" in done.stderr:
        pytest.skip("cannot become another user here, or it cannot see this Python")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert len(done.stderr.splitlines()) == 1
    assert "x.yaml" in done.stderr


PARTS = st.one_of(
    st.sampled_from(["phases", "model", "0", "lr", "epochs", "", "é", "-1"]),
    st.sampled_from(["optimizer", "augment", "published", "expect", "errors", "name"]),
    st.text(),
)
VALUES = st.one_of(st.text(), st.sampled_from(["[", "{a: 1}", "!!x y", "&a 1", "1e999", "null"]))


def test_unknown_keys_are_told_in_every_part_of_a_config(tmp_path):
    parts = {
        "phases.0": "",
        "phases.0.lr": "{from: 1, to: 2}",
        "augment": "{}",
        "optimizer": "{name: sgd}",
        "published": "{accuracy: 1}",
        "expect": "{errors: [1, 2]}",
    }
    for part, value in parts.items():
        given = [f"{part}={value}"] * bool(value)
        with pytest.raises(UserError, match="unknown key `bogus`"):
            load_rung("model05_conv", [*given, f"{part}.bogus=1"])


@settings(settings.get_profile("fuzz"))
@given(st.lists(PARTS, max_size=5), VALUES)
@example(["phases", "9" * 30, "lr"], "1")
@example(["expect", "phases"], "")
def test_any_override_changes_the_config_or_is_told(parts, value):
    try:
        rung = load_rung(shipped_names()[2], [f"{'.'.join(parts)}={value}"])
    except UserError as error:
        assert error.exit_code is ExitCode.USAGE
    else:
        assert rung.overrides or rung == load_rung(shipped_names()[2])


@settings(settings.get_profile("fuzz"))
@given(st.binary(max_size=300))
def test_any_bytes_are_a_config_or_told(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError):
        load_rung(str(path))


LINES = (CORPUS.parents[1] / "configs" / "model13_pseudolabel.yaml").read_text().splitlines()


@settings(settings.get_profile("fuzz"))
@given(st.integers(0, len(LINES) - 1), st.text(max_size=30))
def test_a_real_config_with_one_line_spoilt_loads_or_is_told(tmp_path_factory, number, text):
    path = tmp_path_factory.getbasetemp() / "spoilt.yaml"
    path.write_text("\n".join([*LINES[:number], text, *LINES[number + 1 :]]), errors="replace")
    try:
        load_rung(str(path))
    except UserError as error:
        assert error.exit_code is ExitCode.USAGE
