"""The rules of CONTRIBUTING.md that a machine can check."""

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mnistladder"
MODULES = {path.stem: path for path in SOURCE.glob("*.py")}
# A module imports only from lines above its own.
ORDER = """
errors
document storage streams records events statistics
layers modules
config
environment augment network optimize
data checking schema plan
stages predict loading
cost members device member speeds contested
results overlap train stack rows predictions
digits calibration report curves gallery difficulty samples figures
charts sheets photos
page
targets trainer ensemble
export
executors doctor provenance tensorboards
ladder
estimates standing
progress
cli
__main__
"""
TORCH = {
    "augment", "calibration", "device", "digits", "ensemble", "export", "member", "modules",
    "network", "optimize", "overlap", "predict", "samples", "stack",
    "tensorboards", "train", "trainer",
}  # fmt: skip


def imports(path, name="mnistladder"):
    """Names of our modules that a file imports anywhere, and of others at its top."""
    ours, top = set(), set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == name:
            parts = node.module.split(".")[1:2]
            ours |= set(parts) or {alias.name for alias in node.names} & {*MODULES, "cli"}
    for node in tree.body:
        if isinstance(node, ast.Import):
            top |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            top.add((node.module or "").split(".")[0])
    return ours, top


def level(module):
    lines = ORDER.strip().splitlines()
    return next(number for number, line in enumerate(lines) if module in line.split())


@pytest.mark.parametrize("module", [name for name in MODULES if name != "__init__"])
def test_module_imports_only_from_lower_levels(module):
    ours, _ = imports(MODULES[module])
    # A layer builds its torch modules late; a stage's worker imports the trainer late.
    late = {"layers": {"modules"}, "executors": {"trainer", "device", "overlap"}}.get(module, set())
    assert {other for other in ours - late if level(other) >= level(module)} == set()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - TORCH))
def test_module_imports_no_torch_at_its_top(module):
    _, top = imports(MODULES[module])
    assert not top & {"torch", "torchvision", "safetensors"}


WRITES = re.compile(
    r"\.write_(text|bytes)\(|\.unlink\(|\.rename\(|\.mkdir\(|\.rmdir\(|os\.(replace|link|fsync)\("
    r"|open\([^)]*[\"'][wax]b?[\"']|FileLock"
)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_only_storage_writes_and_only_the_cli_prints(path):
    text = path.read_text()
    assert (path.stem == "storage") == bool(WRITES.search(text))
    if path.parent.name != "cli" and path.stem != "doctor":  # the doctor's probe is text
        assert "print(" not in text.replace("console.print(", "")


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_nothing_runs_code_from_a_file(path):
    forbidden = (
        r"(?<![.\w])(eval|exec)\(|\bpickle\b|weights_only=False|yaml\.(unsafe_|full_)?load\("
    )
    assert not re.search(forbidden, path.read_text().replace("allow_pickle=False", ""))
