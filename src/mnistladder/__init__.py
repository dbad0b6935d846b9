"""Climb MNIST from a linear softmax to pseudo-labelled ensembles, one YAML config per rung.

In a program: `run`, `results`, `compare`, `load` and `Rung`, as docs/python.md shows. They are
loaded when they are first used, so that `import mnistladder` takes no time.
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["Rung", "compare", "load", "results", "run"]


def __getattr__(name: str) -> object:
    if name in __all__:
        return getattr(import_module("mnistladder.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
