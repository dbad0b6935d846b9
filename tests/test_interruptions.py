"""Real runs, really killed: the same command goes on and ends with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

RUN = [sys.executable, "-m", "mnistladder", "run", "model09_dropout", "--json"]
PLAN = ["--set", "phases=[{epochs: 12, lr: 1e-3}]", "--set", "batch_size=16"]


def command(digits_dir, seed=0, extra=()):
    return [*RUN, *PLAN, "--data-dir", str(digits_dir), "--seed", str(seed), *extra]


def result(digits_dir, cwd, seed=0, extra=()):
    done = subprocess.run(
        command(digits_dir, seed, extra), cwd=cwd, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout), done.stderr


def heed_interrupts():
    """A shell starts what runs in its background, such as this suite, with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop_after_two_epochs(digits_dir, cwd, number, extra=()):
    """Starts the run, sends it a signal once two epochs are stored; its code and messages."""
    with subprocess.Popen(
        command(digits_dir, extra=extra),
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads here
    ) as process:
        wait_for_two_epochs(process, cwd)
        process.send_signal(number)
        started = time.monotonic()
        _, messages = process.communicate(timeout=60)
    return process.returncode, messages, time.monotonic() - started


def wait_for_two_epochs(process, cwd):
    """Returns once two epochs are stored; it fails if the run ends first, or after a minute."""
    deadline = time.monotonic() + 60
    while epochs_stored(cwd) < 2:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{epochs_stored(cwd)} epochs stored, code {process.returncode}")
        time.sleep(0.01)


def epochs_stored(cwd):
    stored = (cwd / "runs" / "members").glob("*/progress.json")
    return max((len(json.loads(path.read_text())["history"]) for path in stored), default=0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, digits_dir):
    [found], _ = result(digits_dir, tmp_path_factory.mktemp("whole"))
    return found


def test_run_killed_and_repeated_ends_with_the_bits_of_an_uninterrupted_one(
    tmp_path, digits_dir, uninterrupted
):
    code, _, _ = stop_after_two_epochs(digits_dir, tmp_path, signal.SIGKILL)
    [found], messages = result(digits_dir, tmp_path)
    assert code == -signal.SIGKILL
    assert "continues after epoch " in messages
    assert found["predictions_sha256"] == uninterrupted["predictions_sha256"]
    assert found["result_id"] == uninterrupted["result_id"]


@pytest.fixture(scope="module")
def whole_s(tmp_path_factory, digits_dir, uninterrupted):
    """Seconds that the run takes now, start-up included: other work may slow the machine down."""
    start = time.monotonic()
    result(digits_dir, tmp_path_factory.mktemp("timed"))
    return time.monotonic() - start


def test_run_killed_at_random_moments_ends_with_the_same_bits(
    tmp_path, digits_dir, uninterrupted, whole_s, thorough
):
    """A1: over and over until it is done, from start-up to the last write; the seed is printed."""
    wanted, seed = (200, random.randrange(10**6)) if thorough else (4, 1)
    draws, kills, number = random.Random(seed), 0, 0
    print(f"seed {seed}")
    while kills < wanted:
        folder = tmp_path / str(number)
        folder.mkdir()
        number += 1
        kills += killed_until_done(digits_dir, folder, draws, whole_s)
        [found], _ = result(digits_dir, folder)
        assert found["predictions_sha256"] == uninterrupted["predictions_sha256"]
    print(f"{kills} kills in {number} runs")


def killed_until_done(digits_dir, cwd, draws, whole_s):
    """Starts the run and kills it, again and again, until one gets through; the number of kills.

    Each run gets a little more time than the last: on a machine that becomes slower it still ends.
    """
    kills = 0
    while True:
        with subprocess.Popen(
            command(digits_dir, extra=["--quiet"]),
            cwd=cwd,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                process.wait(timeout=draws.uniform(0.03, 1.2) * whole_s * 1.1**kills)
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
            else:
                assert process.returncode == 0
                return kills


def test_another_seed_ends_with_other_bits(tmp_path, digits_dir, uninterrupted):
    [found], _ = result(digits_dir, tmp_path, seed=1)
    assert found["predictions_sha256"] != uninterrupted["predictions_sha256"]


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_stops_in_seconds_and_says_how_to_go_on(tmp_path, digits_dir, number, expected):
    code, messages, seconds = stop_after_two_epochs(digits_dir, tmp_path, number)
    assert (code, seconds < 5) == (expected, True)
    assert "every finished epoch is kept. To go on: mnistladder run model09_dropout" in messages
    assert "Traceback" not in messages


def test_killed_parent_leaves_no_workers_behind(tmp_path, digits_dir, uninterrupted):
    """SIGKILL of the parent ends its workers; the repeated command still gets the same bits."""
    extra = ["--seeds", "2", "--jobs", "2"]
    stop_after_two_epochs(digits_dir, tmp_path, signal.SIGKILL, extra)
    deadline = time.monotonic() + 5
    while (left := processes_in(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    found, _ = result(digits_dir, tmp_path, extra=extra)
    assert found[0]["predictions_sha256"] == uninterrupted["predictions_sha256"]
    assert found[0]["predictions_sha256"] != found[1]["predictions_sha256"]


def processes_in(folder):
    """Ids of the processes whose working folder this is; none where there is no /proc."""
    found = []
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:  # noqa: PTH208, PTH112
        try:
            if entry.isdecimal() and os.readlink(f"/proc/{entry}/cwd") == str(folder):  # noqa: PTH115
                found.append(int(entry))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_damaged_checkpoint_is_set_aside_and_trained_again(
    tmp_path, digits_dir, uninterrupted, damage
):
    stop_after_two_epochs(digits_dir, tmp_path, signal.SIGKILL)
    [progress] = (tmp_path / "runs" / "members").glob("*/progress.json")
    checkpoint = progress.with_name(json.loads(progress.read_text())["file"])
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    changed = {"truncated": content[:-7], "flipped": content, "emptied": b""}[damage]
    checkpoint.write_bytes(changed)
    [found], messages = result(digits_dir, tmp_path)
    assert "set aside as" in messages
    assert checkpoint.name in messages
    assert found["predictions_sha256"] == uninterrupted["predictions_sha256"]
    assert list(checkpoint.parent.glob("*.corrupt-1"))


@pytest.mark.parametrize("name", ["probabilities.npy", "checkpoint.safetensors", "record.json"])
def test_damaged_network_is_named_set_aside_and_trained_anew(
    tmp_path, digits_dir, uninterrupted, name
):
    plan = [*command(digits_dir), "--quiet"]
    subprocess.run(plan, cwd=tmp_path, check=True, capture_output=True)
    [damaged] = (tmp_path / "runs" / "members").glob(f"*/{name}")
    content = damaged.read_bytes()[:-3] + b"\xff"
    damaged.write_bytes(content)
    for path in (tmp_path / "runs" / "results").glob("*/*.json"):
        path.unlink()
    done = subprocess.run(plan, cwd=tmp_path, capture_output=True, text=True, check=True)
    [found] = json.loads(done.stdout)
    assert str(damaged.relative_to(tmp_path)) in done.stderr
    assert "set aside as" in done.stderr
    aside = damaged.parent.with_name(f"{damaged.parent.name}.corrupt-1")
    assert (aside / name).read_bytes() == content
    assert found["predictions_sha256"] == uninterrupted["predictions_sha256"]


def test_damaged_result_is_set_aside_and_made_anew_without_training(tmp_path, digits_dir):
    [first], _ = result(digits_dir, tmp_path)
    [path] = (tmp_path / "runs" / "results").glob("*/*.json")
    path.write_bytes(path.read_bytes()[:-9])
    [found], messages = result(digits_dir, tmp_path)
    assert f"{path.relative_to(tmp_path)}: no record of mnistladder; set aside as" in messages
    assert "epoch" not in messages
    assert (found["reused"], found["result_id"]) == (False, first["result_id"])
    assert path.exists()
    assert path.with_name(f"{path.name}.corrupt-1").exists()
