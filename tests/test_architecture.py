"""The rules of CONTRIBUTING.md that a machine can check."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "mnistladder"
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
