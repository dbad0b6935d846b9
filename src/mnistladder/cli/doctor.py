"""Checks what a working installation needs, and says what to do where it lacks."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mnistladder import environment
from mnistladder.cli import base
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


class Finding(NamedTuple):
    """What a check saw, and what is wrong with it."""

    value: str
    problem: str | None = None


@dataclass(frozen=True)
class Examination:
    """What all checks saw."""

    torch: dict[str, Any]  # what the probe printed; empty if torch cannot be imported
    torch_problem: str | None
    data: Finding
    runs: Finding

    @property
    def problems(self) -> list[str]:
        """What must be mended before training can work."""
        every = (self.torch_problem, self.data.problem, self.runs.problem)
        return [problem for problem in every if problem]

    def plain(self) -> dict[str, Any]:
        """One entry for each check; `ok` is whether training can work."""
        return {
            "versions": environment.versions(),
            "torch": self.torch,
            "cpu": environment.cpu_name(),
            "cores": environment.usable_cores(),
            "configs": f"{len(loading.shipped_names())} in {loading.CONFIG_DIR}",
            "data": self.data.value,
            "runs": self.runs.value,
            "git": environment.git_state(),
            "problems": self.problems,
            "ok": not self.problems,
        }


def examine(runs: Path, data_dir: Path | None = None) -> Examination:
    """Runs all checks; torch is imported in a process of its own."""
    torch, problem = _probe_torch()
    return Examination(torch, problem, _check_data(data_dir), check_runs(runs))


def say(found: Examination) -> None:
    """A line for each check with its verdict, and at last whether training can work."""
    versions = environment.versions()
    lines = [
        ("ok", "Python", f"{versions['python']}, mnistladder {versions['mnistladder']}"),
        _verdict("torch", Finding(found.torch.get("torch", ""), found.torch_problem)),
        ("ok", "processor", f"{environment.cpu_name()}, {environment.usable_cores()} cores to use"),
        ("ok", "GPU", _gpus(found.torch)),
        ("ok", "rungs", f"{len(loading.shipped_names())} in {loading.CONFIG_DIR}"),
        _verdict("data", found.data),
        _verdict("runs", found.runs),
        _torchvision(found.torch),
    ]
    for verdict, what, text in lines:
        base.say(f"{verdict:8} {what:12} {text}")
    base.say("")
    if found.problems:
        base.say("Training cannot work yet. Mend what is missing, then run this again.")
    else:
        base.say("Everything that training needs is here.")


def _verdict(what: str, finding: Finding) -> tuple[str, str, str]:
    return ("missing", what, finding.problem) if finding.problem else ("ok", what, finding.value)


def _gpus(torch: dict[str, Any]) -> str:
    names = [*torch.get("cuda", []), *(["Apple's (mps)"] if torch.get("mps") else [])]
    return ", ".join(names) or "none; the processor trains"


def _torchvision(torch: dict[str, Any]) -> tuple[str, str, str]:
    """Only downloads need it: its lack is no problem of training."""
    version = str(torch.get("torchvision", ""))
    if version and not version.startswith("broken"):
        return "ok", "torchvision", version
    todo = "only `data --download` needs it: pip install torchvision"
    return "missing", "torchvision", f"{version}; {todo}" if version else todo


def _probe_torch() -> tuple[dict[str, Any], str | None]:
    command = [sys.executable, "-c", _PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {}, f"torch cannot be imported: {last}; to install it: pip install torch"
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report, None


def _check_data(data_dir: Path | None) -> Finding:
    try:
        source = find("mnist", data_dir)
        source.load()
    except UserError as error:
        return Finding("not usable", str(error))
    return Finding(f"{source.name} in {source.folder}, verified")


def check_runs(runs: Path) -> Finding:
    """Whether results may be stored there, by permissions alone: this check only looks."""
    lowest = next(path for path in (runs, *runs.absolute().parents) if os.path.lexists(path))
    if not lowest.is_dir() or not os.access(lowest, os.W_OK | os.X_OK):
        problem = f"{lowest}: results cannot be stored there; give another --runs-dir"
        return Finding(f"{runs}: not writable", problem)
    return Finding(f"{runs}: writable")
