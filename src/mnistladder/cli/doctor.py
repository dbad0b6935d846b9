"""Checks what a working installation needs. Torch is imported in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mnistladder import environment
from mnistladder.config import loading
from mnistladder.data.datasets import find
from mnistladder.errors import UserError

# A separate process, because a broken torch must not stop the other checks.
_PROBE = """
import json, torch
report = {"torch": torch.__version__, "cpu_capability": torch.backends.cpu.get_cpu_capability(),
          "cuda": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
          "mps": torch.backends.mps.is_available()}
try:
    import torchvision
    report["torchvision"] = torchvision.__version__
except Exception as error:
    report["torchvision"] = f"broken (only downloads need it): {error}"
print(json.dumps(report))
"""


def examine(runs: Path, data_dir: Path | None = None) -> dict[str, Any]:
    """One entry for each check; `ok` is whether training can work."""
    problems: list[str] = []
    torch = _probe_torch(problems)
    return {
        "versions": environment.versions(),
        "torch": torch,
        "cpu": environment.cpu_name(),
        "cores": environment.usable_cores(),
        "configs": f"{len(loading.shipped_names())} in {loading.CONFIG_DIR}",
        "data": _check_data(data_dir, problems),
        "runs": check_runs(runs, problems),
        "git": environment.git_state(),
        "problems": problems,
        "ok": not problems,
    }


def _probe_torch(problems: list[str]) -> dict[str, Any]:
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        problems.append(f"torch cannot be imported: {last}")
        return {}
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def _check_data(data_dir: Path | None, problems: list[str]) -> str:
    try:
        source = find("mnist", data_dir)
        source.load()
    except UserError as error:
        problems.append(str(error))
        return "not usable"
    return f"{source.name} in {source.folder}, verified"


def check_runs(runs: Path, problems: list[str]) -> str:
    """Whether results may be stored there, by permissions alone: this check only looks."""
    lowest = next(path for path in (runs, *runs.absolute().parents) if os.path.lexists(path))
    if not lowest.is_dir() or not os.access(lowest, os.W_OK | os.X_OK):
        problems.append(f"{lowest}: results cannot be stored there; give another --runs-dir")
        return f"{runs}: not writable"
    return f"{runs}: writable"
