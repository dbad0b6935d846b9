"""The rules of CONTRIBUTING.md that a machine can check."""

import contextlib
import os
import re
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

TOP = Path(__file__).parents[1]
SOURCE = TOP / "src" / "mnistladder"
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


def test_packages_import_only_from_those_below_them():
    with contextlib.chdir(TOP):
        assert lint_imports(config_filename="pyproject.toml", no_cache=True) == os.EX_OK


def test_import_that_runs_upwards_is_noticed(tmp_path, monkeypatch):
    package = tmp_path / "upside_down"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "low.py").write_text("from upside_down import high\n")
    (package / "high.py").touch()
    (tmp_path / "contract.toml").write_text(
        "[tool.importlinter]\nroot_package = 'upside_down'\n[[tool.importlinter.contracts]]\n"
        "name = 'order'\ntype = 'layers'\ncontainers = ['upside_down']\nlayers = ['high', 'low']\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    contract = str(tmp_path / "contract.toml")
    assert lint_imports(config_filename=contract, no_cache=True) != os.EX_OK
