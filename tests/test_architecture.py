"""The rules of CONTRIBUTING.md that a machine can check: ruff's rules, and what ruff cannot see."""

import ast
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

TOP = Path(__file__).parents[1]
SOURCE = TOP / "src" / "mnistladder"
STORAGE = "storage.py"


RUFF = [sys.executable, "-m", "ruff", "check", "--no-cache"]


def ruff(path, text):
    """The rules that a text breaks if it stands at that path of the repository."""
    done = subprocess.run(
        [*RUFF, "--output-format=json", "--stdin-filename", path, "-"],
        input=text,
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {entry["code"] for entry in json.loads(done.stdout)}


PLANTED = [
    ("T201", "print(1)"),
    ("S102", "exec('1')"),
    ("S307", "eval('1')"),
    ("S301", "import pickle\n\npickle.loads(b'')"),
    ("S302", "import marshal\n\nmarshal.loads(b'')"),
    ("S506", "import yaml\n\nyaml.load('', yaml.UnsafeLoader)"),
    ("S602", "import subprocess\n\nsubprocess.run('ls', shell=True, check=True)"),
    ("S605", "import os\n\nos.system('ls')"),
    ("TID251", "import pickle\n\npickle.loads"),
    ("TID251", "import tarfile\n\ntarfile.open"),
    ("TID251", "from zipfile import ZipFile\n\nZipFile"),
    ("TID251", "import shutil\n\nshutil.rmtree('x')"),
    ("TID251", "import torch\n\ntorch.load('x')"),
    ("TID251", "import torch\n\ntorch.save({}, 'x')"),
    ("TID251", "import numpy as np\n\nnp.savetxt('x', [])"),
    ("TID251", "import json\n\njson.dump"),
    ("TID251", "import filelock\n\nfilelock.FileLock"),
    ("TID251", "import sys\n\nsys.stdout.write('x')"),
    ("TID251", "from sys import stderr\n\nstderr.write('x')"),
    ("TID251", "import time\n\ntime.time()"),
    ("TID251", "from matplotlib import pyplot\n\npyplot.figure()"),
    ("TID253", "import torch\n\ntorch.ones(1)"),
    ("TID253", "from safetensors import torch\n\ntorch.load"),
    ("PTH105", "import os\n\nos.replace('x', 'y')"),
    ("PTH123", "open('x', 'w')"),
]


@pytest.mark.parametrize(("rule", "text"), PLANTED)
def test_ruff_finds_each_planted_violation(rule, text):
    assert rule in ruff("src/mnistladder/report/planted.py", f'"""Planted."""\n\n{text}\n')


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cli/base.py", "print(1)\n"),
        ("storage.py", "import filelock\n\nfilelock.FileLock\n"),
        ("engine/loop.py", "import torch\n\ntorch.ones(1)\n"),
    ],
)
def test_ruff_allows_it_where_its_place_is(path, text):
    rules = {"T201", "TID251", "TID253"}
    assert not ruff(f"src/mnistladder/{path}", text) & rules
    assert ruff("src/mnistladder/report/planted.py", text) & rules


def test_source_breaks_no_rule_of_ruff():
    done = subprocess.run([*RUFF, "src"], cwd=TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


# What follows is what ruff cannot see: methods of objects whose type only a reader knows.

WRITING = {"write_text", "write_bytes", "unlink", "rmdir", "mkdir", "touch", "rename"}
WRITING |= {"symlink_to", "hardlink_to", "chmod", "fsync", "tofile", "save_file"}
FLAGS = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC"}
SAVING = {"save", "savefig", "savez", "dump"}  # to a path, or into memory
OUR_OWN = {
    "style",
    "storage",
    "safetensors.torch",
    "yaml",
    "yaml_reader",
}  # these give bytes or use storage


def own_nodes(scope):
    """The nodes of a function, or of a module without its functions."""
    if isinstance(scope, ast.FunctionDef):
        return list(ast.walk(scope))
    nodes, left = [], [scope]
    while left:
        node = left.pop()
        nodes.append(node)
        left += [c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.FunctionDef)]
    return nodes


def buffers_of(function):
    """Names that a function binds to `io.BytesIO()`."""
    return {
        target.id
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("io.BytesIO(")
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def writes_a_file(call, buffers):
    """Whether a call may write: it names a writer, a mode, a flag, or saves where no buffer is."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in WRITING:
        return not owner.startswith(("storage", "disk"))
    if name in ("open", "fdopen"):
        return opens_for_writing(call.args, arguments)
    if name not in SAVING or not arguments or owner in OUR_OWN:
        return False
    return not any(isinstance(each, ast.Name) and each.id in buffers for each in arguments)


def opens_for_writing(positional, arguments):
    if positional and ast.unparse(positional[0]) == "os.devnull":
        return False
    modes = {each.value for each in arguments if isinstance(each, ast.Constant)}
    names = {getattr(node, "attr", "") for each in arguments for node in ast.walk(each)}
    return bool(names & FLAGS) or any(
        isinstance(mode, str) and len(mode) <= 3 and set(mode) & set("wax+") for mode in modes
    )


def streams_out(call):
    """Whether a call writes to a stream of the process, or through a name of it."""
    text = ast.unparse(call.func)
    return text.endswith((".stdout.write", ".stderr.write", "console.print")) or text == "print"


def violations(name, text):
    """The forbidden calls of a module, given its path below the package and its text."""
    tree, bad = ast.parse(text), set()
    for scope in [*(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), tree]:
        buffers = buffers_of(scope)
        for call in (node for node in own_nodes(scope) if isinstance(node, ast.Call)):
            writes = name != STORAGE and writes_a_file(call, buffers)
            if writes or (not name.startswith("cli/") and streams_out(call)):
                bad.add(ast.unparse(call))
    return sorted(bad)


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_only_storage_writes_and_only_the_cli_prints(path):
    assert violations(path.relative_to(SOURCE).as_posix(), path.read_text()) == []


@pytest.mark.parametrize(
    "call",
    [
        "figure.savefig('x.png')",
        "figure.savefig(path, format='svg')",
        "np.save('x.npy', values)",
        "np.save(path, values)",
        "image.save(path, 'PNG')",
        "path.write_text('x')",
        "path.write_bytes(b'x')",
        "values.tofile(path)",
        "path.unlink()",
        "path.with_name('x').mkdir(parents=True)",
        "path.open('wb')",
        "open(path, mode='a')",
        "os.open(path, os.O_WRONLY | os.O_CREAT)",
        "sys.stdout.write('x')",
        "self.console.print('x')",
        "print('x')",
    ],
)
@pytest.mark.parametrize("name", ["report/charts.py", "engine/loop.py"])
def test_each_planted_call_is_seen(name, call):
    text = (SOURCE / name).read_text()
    planted = f"{text}\n\ndef planted(path, figure, values, image, self):\n    {call}\n"
    assert violations(name, planted) == [call]
    assert violations(name, f"{text}\n\n{call}\n") == [call]


def test_saving_into_memory_is_no_violation():
    text = "def planted(figure):\n    {} = io.BytesIO()\n    figure.savefig(buffer)\n"
    assert violations("report/planted.py", text.format("buffer")) == []
    assert violations("report/planted.py", text.format("other")) == ["figure.savefig(buffer)"]


def test_storage_and_the_command_line_may():
    assert violations("storage.py", "path.unlink()") == []
    assert violations("cli/base.py", "print(1)") == []


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
