"""What do the tests not notice? Changes one operator or number of a module at a time.

`scripts/mutation.py` takes the modules that decide numbers, `scripts/mutation.py config/cost` this
one. A module is tried with the tests of its name alone. Each change that no test notices is
printed, and the counts. Needs `pip install -e .[mutation]` (cosmic-ray, whose operators these are).
`scripts/mutants.py` plants faults that were chosen by hand, in the rest of the program.
"""

import compileall
import difflib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis  # noqa: F401  (imported here once: each mutant is a fork of this process)
import numpy  # noqa: F401
import pydantic  # noqa: F401
import pytest
import torch  # noqa: F401
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from scipy import special, stats  # noqa: F401

TOP = Path(__file__).parents[1]
MODULES = [
    "config/cost",
    "config/schedule",
    "ladder/scoring",
    "report/groups",
    "report/pair",
    "report/statistics",
    "report/steps",
    "report/summary",
]
QUIET = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
IMPORTED = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # by this process, before pytest
NUMBERS = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
IDENTITY = {"Is", "IsNot"}


def is_sensible(operator: str) -> bool:
    """Whether the operator does more than raise a TypeError, or compare by identity."""
    kind, _, pair = operator.partition("/")[2].partition("_")
    before, _, after = pair.partition("_")
    if kind == "ReplaceBinaryOperator":
        return {before, after} <= NUMBERS or (before == "BitAnd" and after == "BitOr")
    if kind == "ReplaceComparisonOperator":
        return (before in IDENTITY) == (after in IDENTITY)
    return not kind.startswith("Variable")  # these ask for names


def mutants(source: str) -> Iterator[str]:
    """The source with one change, for each change that the operators can make."""
    for name in filter(is_sensible, operator_names()):
        operator = get_operator(name)()
        places = [
            p for node in ast_nodes(get_ast(source)) for p in operator.mutation_positions(node)
        ]
        for place in range(len(places)):
            yield mutate_code(source, operator, place)


def passes(tests: Path, limit_s: int) -> bool:
    """Whether the tests pass within the time, in a fork of this process."""
    child = os.fork()
    if not child:
        signal.alarm(limit_s)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (1, 2):
            os.dup2(silence, stream)
        os._exit(pytest.main([*QUIET, *IMPORTED, str(tests)]))
    return os.waitpid(child, 0)[1] == 0


def mutate(copy: Path, module: str) -> int:
    """Tries all mutants of a module of the copy, and returns how many survive."""
    path = copy / "src" / "mnistladder" / f"{module}.py"
    tests = copy / "tests" / f"test_{path.stem}.py"
    source, began = path.read_text(), time.perf_counter()
    assert passes(tests, 600), f"{tests.name} fails without a mutant"
    limit_s = 10 + round(10 * (time.perf_counter() - began))
    total = survivors = 0
    for mutant in mutants(source):
        path.write_text(mutant)
        total += 1
        if passes(tests, limit_s):
            survivors += 1
            lines = list(difflib.unified_diff(source.split("\n"), mutant.split("\n"), n=0))[2:]
            print(f"NOT NOTICED in {module}:", *lines, sep="\n", flush=True)
    path.write_text(source)
    print(f"{module}: {total} mutants, {total - survivors} noticed, {survivors} not", flush=True)
    return survivors


def left_out(folder: str, names: list[str]) -> list[str]:
    """What of a folder is not copied; a package of the program is called `runs`, too."""
    own = {"__pycache__", "runs"} if Path(folder) == TOP else {"__pycache__"}
    return [name for name in names if name.startswith(".") or name in own]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(TOP, copy, ignore=left_out)
        sys.path.insert(0, str(copy / "src"))
        os.environ["PYTHONPATH"] = str(copy / "src")
        os.chdir(copy)
        modules = sys.argv[1:] or MODULES
        changing = [copy / "src" / "mnistladder" / f"{module}.py" for module in modules]
        compileall.compile_dir(copy / "src", quiet=1)
        sys.dont_write_bytecode = True  # a mutant may be as long and as old as the one before it
        for path in changing:
            for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
                stale.unlink()
        sys.exit(1 if sum(mutate(copy, module) for module in modules) else 0)


if __name__ == "__main__":
    main()
