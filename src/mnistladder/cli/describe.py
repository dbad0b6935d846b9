"""What `layers` and `validate` say."""

from inspect import getdoc
from typing import TypedDict

from mnistladder.config import loading
from mnistladder.errors import ConfigError, UsageError
from mnistladder.model.layers import LAYERS, installed_layers


class LayerLine(TypedDict):
    """A kind of layer, as `layers` shows it."""

    layer: str
    options: list[str]
    required: list[str]
    about: str


class ProblemLine(TypedDict):
    """A mistake of a config; one that is not in a file has no line and no column."""

    file: str
    line: int | None
    column: int | None
    message: str
    text: str


def layers() -> list[LayerLine]:
    """The layers that a config may name; ours, then those of other packages."""
    return [
        {
            "layer": name,
            "options": [field.alias or key for key, field in kind.model_fields.items()],
            "required": [key for key, field in kind.model_fields.items() if field.is_required()],
            "about": (getdoc(kind) or "").partition("\n")[0],
        }
        for name, kind in {**LAYERS, **installed_layers()}.items()
    ]


def problems(reference: str, overrides: list[str]) -> list[ProblemLine]:
    """The mistakes of a config; those without a place in a file have no line and no column."""
    try:
        loading.load_rung(reference, overrides)
    except ConfigError as error:
        return [
            {
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "message": problem.message,
                "text": str(problem),
            }
            for problem in error.problems
        ]
    except UsageError as error:
        text = str(error)
        return [
            {"file": reference, "line": None, "column": None, "message": text, "text": text},
        ]
    return []
