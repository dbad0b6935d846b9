"""Do the tests notice? Breaks a copy in one place at a time; each break must fail its tests.

`scripts/mutants.py` exits 1 if a broken copy passes. `scripts/mutants.py cuda` breaks only what the
tests with this word in their name should notice, `scripts/mutants.py replay` CUDA graphs.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOP = Path(__file__).parents[1]


@dataclass(frozen=True)
class Mutant:
    """Text of a module replaced by other text, and the tests that must fail then."""

    what: str
    module: str
    old: str
    new: str
    tests: str


MUTANTS = [
    Mutant("no fsync of files", "storage", "disk.sync(descriptor)", "pass", "test_faults.py"),
    Mutant(
        "no fsync of folders", "storage", "disk.sync_folder(path.parent)", "pass", "test_faults.py"
    ),
    Mutant(
        "no fsync above new folders",
        "storage",
        "disk.sync_folder(folder.parent)",
        "pass",
        "test_faults.py",
    ),
    Mutant("no lock", "storage", "held.acquire(timeout=0)", "pass", "test_concurrency.py"),
    Mutant(
        "no hash of files",
        "storage",
        "!= sha256:",
        "!= sha256 and not content:",
        "test_stage_store.py",
    ),
    Mutant(
        "no hash of records",
        "sealed",
        "if digest(record) != sha256:",
        "if False:",
        "test_results.py",
    ),
    Mutant(
        "records are overwritten",
        "storage",
        "disk.link(temporary, path)",
        "disk.replace(temporary, path)",
        "test_storage.py",
    ),
    Mutant(
        "written in place",
        "storage",
        "disk.replace(temporary, path)",
        "path.write_bytes(content)",
        "test_storage.py",
    ),
    Mutant(
        "seeds do not depend on the epoch",
        "seeds",
        "{purpose} {epoch}",
        "{purpose}",
        "test_loop.py",
    ),
    Mutant(
        "seeds do not depend on the purpose", "seeds", "{seed} {purpose}", "{seed}", "test_seeds.py"
    ),
    Mutant(
        "moments are not stored",
        "engine/train_state",
        "self.optimizer.load_state_dict(",
        "(lambda x: 0)(",
        "test_trainer.py",
    ),
    # Mistakes that no CPU shows.
    Mutant(
        "an epoch's order stays on the CPU",
        "engine/inputs",
        "return Epoch(train, guessed, order.to(device))",
        "return Epoch(train, guessed, order)",
        "test_fake_cuda.py",
    ),
    Mutant(
        "distortions stay on the CPU",
        "engine/inputs",
        "kind.to(device) for kind in drawn",
        "kind for kind in drawn",
        "test_fake_cuda.py",
    ),
    Mutant(
        "a generator of the CPU",
        "engine/inputs",
        "torch.Generator(device)",
        "torch.Generator()",
        "test_fake_cuda.py",
    ),
    Mutant(
        "masks are drawn on the CPU",
        "model/modules",
        "dtype=torch.int64, device=generator.device",
        "dtype=torch.int64",
        "test_fake_cuda.py",
    ),
    Mutant(
        "masks are made on the CPU",
        "model/modules",
        "torch.empty(count, device=generator.device)",
        "torch.empty(count)",
        "test_fake_cuda.py",
    ),
    Mutant(
        "ones of a stacked bias on the CPU",
        "model/modules",
        "features.new_ones(",
        "torch.ones(",
        "test_fake_cuda.py",
    ),
    Mutant(
        "normalisation reads its mean on the host",
        "model/modules",
        "images - self.mean)",
        "images - self.mean.item())",
        "test_fake_cuda.py",
    ),
    Mutant(
        "losses are summed on the CPU",
        "engine/loop",
        "torch.zeros(networks, device=device)",
        "torch.zeros(networks)",
        "test_fake_cuda.py",
    ),
    Mutant(
        "a step waits for its loss",
        "engine/loop",
        "* len(labels))",
        "* len(labels) * bool(losses[0] > -1))",
        "test_fake_cuda.py",
    ),
    Mutant(
        "a step waits for the norm of its gradient",
        "engine/loop",
        "clip_grad_norm_(weights, clip_norm)",
        "clip_grad_norm_(weights, clip_norm).item()",
        "test_fake_cuda.py",
    ),
    Mutant(
        "joined weights on the CPU",
        "engine/joined_weights",
        ", device=parameters[0].device",
        "",
        "test_fake_cuda.py",
    ),
    Mutant(
        "learning rates stay on the CPU",
        "engine/replay",
        ".to(device, non_blocking=True).unbind()",
        ".unbind()",
        "test_fake_cuda.py",
    ),
    Mutant(
        "learning rates are waited for",
        "engine/replay",
        ".to(device, non_blocking=True).unbind()",
        ".to(device).unbind()",
        "test_fake_cuda.py",
    ),
    Mutant(
        "an optimizer asks for the value of its rate",
        "engine/replay",
        'group["foreach"] = None if group.get("fused") else True',
        "pass",
        "test_fake_cuda.py",
    ),
    Mutant(
        "an optimizer's state stays on the CPU",
        "engine/replay",
        "state[name] = value.to(device, non_blocking=True)",
        "pass",
        "test_fake_cuda.py",
    ),
    # Mistakes in a CUDA graph.
    Mutant(
        "the graph reads the first batch for ever",
        "engine/replay",
        "own.copy_(new)",
        "pass",
        "test_replay.py",
    ),
    Mutant(
        "the graph keeps the rate of its recording",
        "engine/loop",
        'group["lr"] = rate',
        'group["lr"] = float(rate)',
        "test_replay.py",
    ),
    Mutant(
        "the graph keeps the masks of its recording",
        "engine/loop",
        "dropouts.set(masks)",
        "dropouts.set(dropouts.draw())",
        "test_replay.py",
    ),
    Mutant(
        "the recorded step is not run",
        "engine/replay",
        "        self._graph.replay()",
        "        if self._steps > self.WARM_UPS + 1:\n            self._graph.replay()",
        "test_replay.py",
    ),
    Mutant(
        "a short batch is replayed",
        "engine/replay",
        "own.shape != new.shape",
        "own.dtype != new.dtype",
        "test_replay.py",
    ),
    Mutant(
        "nothing is warmed up",
        "engine/replay",
        "WARM_UPS = 3",
        "WARM_UPS = 0",
        "test_replay.py",
    ),
]


def passes(tests: list[str], mutant: Mutant | None = None) -> bool:
    """Whether a copy, broken or whole, passes the tests."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns(".*", "runs", "results"))
        if mutant:
            path = copy / "src" / "mnistladder" / f"{mutant.module}.py"
            text = path.read_text()
            assert mutant.old in text, f"{mutant.what}: nothing to replace"
            path.write_text(text.replace(mutant.old, mutant.new))
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", *(f"tests/{name}" for name in tests)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy / "src")},
            capture_output=True,
            check=False,
        )
    return done.returncode == 0


def main() -> None:
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [mutant for mutant in MUTANTS if word in mutant.tests]
    assert passes(sorted({mutant.tests for mutant in chosen})), "the copy fails unbroken"
    survivors = 0
    for mutant in chosen:
        alive = passes([mutant.tests], mutant)
        survivors += alive
        print(
            f"{'NOT NOTICED' if alive else 'noticed'}: {mutant.what} ({mutant.tests})", flush=True
        )
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
