"""Measures and writes benchmarks/results.json; `scripts/bench` prepares what it needs and calls it.

Contenders take turns in fresh processes, round after round, so that a slow minute of the machine
meets all of them; what counts is the ratio within a round.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from mnistladder import environment
from mnistladder.config.loading import load_rung, shipped_names

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
TWO = ["ours.py", "--processes", "2"]
STACKS = [*TWO, "--stack", "4", "--steps", "480"]
HALF = ["--precision", "bfloat16"]
CONTENDERS = {
    "two stacks of four": STACKS,
    "two alone": TWO,
    "one alone": ["ours.py"],
    "DataLoader example": ["example.py"],
    "Lightning": ["with_lightning.py"],
    "Keras on JAX": ["with_keras.py", "--backend", "jax"],
    "Keras on TensorFlow": ["with_keras.py", "--backend", "tensorflow"],
    "two stacks of four, bfloat16": [*STACKS, *HALF],
    "one alone, bfloat16": ["ours.py", *HALF],
    "Lightning, bfloat16": ["with_lightning.py", *HALF],
    "Keras on JAX, bfloat16": ["with_keras.py", "--backend", "jax", *HALF],
    "Keras on TensorFlow, bfloat16": ["with_keras.py", "--backend", "tensorflow", *HALF],
}
PACKAGES = ("torch", "torchvision", "lightning", "keras", "jax", "tensorflow_cpu", "numpy")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def output(*command: str) -> str:
    """What a command prints on its last line; its own reports go nowhere."""
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout.splitlines()[-1]


def script(*arguments: str) -> dict[str, Any]:
    return json.loads(output(sys.executable, *arguments))


def training(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Images a second of every contender, a figure a round, by batch size."""
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for batch in ("32", "64"):
            for name, command in CONTENDERS.items():
                speed = script(*command, "--batch", batch)["images_per_s"]
                found.setdefault(batch, {}).setdefault(name, []).append(round(speed))
                say(f"round {number + 1}, batch {batch}, {name}: {speed:,.0f} images/s")
    return found


def rungs() -> dict[str, dict[str, float]]:
    """Each rung at its own batch size: images a second of one alone and of two stacks."""
    found = {}
    for name in shipped_names():
        batch = str(load_rung(name).config.batch_size)
        common = ("--rung", name, "--batch", batch)
        found[name] = {
            "one alone": round(script("ours.py", *common)["images_per_s"]),
            "two stacks of four": round(script(*STACKS, *common)["images_per_s"]),
        }
        say(f"{name}: {found[name]}")
    return found


def command_seconds(*arguments: str, repeats: int = 5) -> float:
    """Median wall time of `mnistladder ARGUMENTS`."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        output(sys.executable, "-m", "mnistladder", *arguments)
        times.append(time.perf_counter() - start)
    return round(median(times), 3)


def outside_training(runs: str) -> float:
    """Median seconds of `mnistladder run model02_normalized` that are not training."""
    times = []
    for number in range(3):
        start = time.perf_counter()
        folder = f"{runs}/{number}"
        command = ("run", "model02_normalized", "--runs-dir", folder, "--quiet", "--json")
        done = subprocess.run(
            [sys.executable, "-m", "mnistladder", *command],
            capture_output=True,
            text=True,
            check=True,
        )
        wall = time.perf_counter() - start
        times.append(wall - json.loads(done.stdout)[0]["train_s"])
    return round(median(times), 3)


def peak_mib(*command: str) -> float:
    """Peak memory of a process and its children, each for itself, the largest."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_maxrss / 1024


def memory(runs: str) -> dict[str, float]:
    """MiB of a process that trains a stack of four with augmentation, and of `import torch`."""
    bare = peak_mib(sys.executable, "-c", "import torch")
    stage = peak_mib(
        sys.executable,
        "-m",
        "mnistladder",
        "run",
        "model10_augmentation",
        "--seeds",
        "4",
        "--jobs",
        "1",
        "--set",
        "phases.0.epochs=1",
        "--runs-dir",
        f"{runs}/memory",
        "--quiet",
    )
    return {"import torch": round(bare), "stack of four": round(stage)}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as runs:
        found = {
            "command": "scripts/bench",
            "date": datetime.now(UTC).date().isoformat(),
            "cpu": environment.cpu_name(),
            "cores": environment.usable_cores(),
            "python": sys.version.split()[0],
            "versions": {name: version(name) for name in PACKAGES},
            "git": environment.git_state(),
            "rounds": options.rounds,
            "training": training(options.rounds),
            "peak_gflops": script("peak.py")["gflops"],
            "parts": script("parts.py"),
            "start": {
                "--help": command_seconds("--help"),
                "list": command_seconds("list"),
                "report": command_seconds("report", "--runs-dir", str(HERE.parent / "results")),
                "run model02_normalized, outside training": outside_training(runs),
            },
            "memory_mib": memory(runs),
            "rungs": rungs(),
        }
    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    subprocess.run([sys.executable, str(HERE / "table.py")], check=True)


if __name__ == "__main__":
    main()
