"""Many processes on one runs folder: nothing is lost, doubled or half written (B1-B3, C1, C2)."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from record_data import result

from mnistladder.runs import leaderboard

WRITER = """
import sys
from pathlib import Path
from record_data import result
from mnistladder.runs import leaderboard
runs, writer, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    seed = writer * 100_000 + number
    leaderboard.add_result(runs, result(rung="rung", seed=seed, result_id=f"{seed:016x}"))
    print(seed, flush=True)
"""


def start_writer(runs, writer, count):
    command = [sys.executable, "-c", WRITER, str(runs), str(writer), str(count)]
    return subprocess.Popen(
        command,
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def check_board(runs):
    """The board lists every record once, and is what the records give; its rows."""
    before = (runs / leaderboard.BOARD).read_bytes()
    rows = leaderboard.load_board(runs / leaderboard.BOARD)
    assert len({row.result_id for row in rows}) == len(rows)
    leaderboard.rebuild_board(runs)
    assert (runs / leaderboard.BOARD).read_bytes() == before
    return rows


def test_eight_writers_lose_and_double_nothing(tmp_path, thorough):
    """B1, and B2: whoever reads meanwhile never sees fewer results than before."""
    count = 1000 if thorough else 12
    writers = [start_writer(tmp_path, number, count) for number in range(8)]
    seen = 0
    while any(writer.poll() is None for writer in writers):
        listed = len(leaderboard.load_board(tmp_path / leaderboard.BOARD))
        assert listed >= seen
        seen = listed
        time.sleep(0.05)
    for writer in writers:
        acknowledged, errors = writer.communicate(timeout=600)
        assert (writer.returncode, errors) == (0, "")
        assert len(acknowledged.split()) == count
    expected = {writer * 100_000 + number for writer in range(8) for number in range(count)}
    assert {row.seed for row in check_board(tmp_path)} == expected


def test_killed_writers_lose_nothing_they_told_of(tmp_path, thorough):
    """B3: each is killed at a random moment; the seed is printed."""
    kills, seed = (200, random.randrange(10**6)) if thorough else (8, 1)
    print(f"seed {seed}")
    draws, acknowledged = random.Random(seed), set()
    for number in range(0, kills, 4):
        writers = [start_writer(tmp_path, number + each, 40) for each in range(4)]
        for writer in writers:
            acknowledged.add(int(writer.stdout.readline()))  # it is at work
        time.sleep(draws.uniform(0, 0.3))
        for writer in writers:
            writer.kill()
            told, _ = writer.communicate()
            acknowledged |= {int(line) for line in told.split("\n") if line.isdecimal()}
    leaderboard.add_result(tmp_path, result(rung="rung", seed=10**9, result_id="f" * 16))
    assert {row.seed for row in check_board(tmp_path)} >= acknowledged
    assert len(acknowledged) >= kills
    assert [path for path in tmp_path.rglob(".*") if path.is_file()] == []


def ladder(runs, digits_dir):
    command = [
        sys.executable,
        "-m",
        "mnistladder",
        "ladder",
        "2-3",
        "--seeds",
        "2",
        "--jobs",
        "1",
        "--json",
        "--data-dir",
        str(digits_dir),
        "--runs-dir",
        str(runs),
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
    )


RUNGS = ("model02_normalized", "model03_hidden")


def test_ladders_on_two_terminals_share_the_work(tmp_path, digits_dir):
    """C1: they wait for each other's networks, train each once, and tell the same results."""
    started = [ladder(tmp_path / "runs", digits_dir) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in started]
    assert [process.returncode for process in started] == [0, 0], told
    hashes = [[row["predictions_sha256"] for row in json.loads(output)] for output, _ in told]
    assert hashes[0] == hashes[1]
    rows = [(row.rung, row.seed) for row in check_board(tmp_path / "runs")]
    assert rows == [(rung, seed) for rung in RUNGS for seed in (0, 1)]
    epochs = sum(messages.count("/5  loss") for _, messages in told)
    assert epochs == 2 * 2 * 5
