"""Which sections a config has at a path, read from the types of the pydantic models.

A new section, or a new optimizer, is known here as soon as a field of a model has its type.
"""

from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mnistladder.config.yaml_reader import KeyPath

Kind = type[BaseModel]


def keys(kind: Kind) -> list[str]:
    """The keys of a section, as YAML writes them."""
    return [field.alias or name for name, field in kind.model_fields.items()]


def tags(kind: Kind) -> dict[str, str]:
    """The keys of a section that have one possible value, such as `name: sgd`, and that value."""
    literals = {
        key: get_args(field.annotation)
        for key, field in zip(keys(kind), kind.model_fields.values(), strict=True)
        if get_origin(field.annotation) is Literal
    }
    return {key: values[0] for key, values in literals.items() if len(values) == 1}


def sections_at(kind: Kind, path: KeyPath) -> list[Kind]:
    """The sections that may stand at a path below `kind`; several if a tag decides.

    The path may contain tags, as the paths of pydantic's errors do.
    """
    here = [kind]
    for part in path:
        if isinstance(part, int):
            continue
        if fields := _fields(here, part):
            here = [section for field in fields for section in _sections(field.annotation)]
        else:
            here = [section for section in here if part in tags(section).values()] or here
    return here


def default_table(kind: Kind, path: KeyPath) -> dict[str, str] | None:
    """A mapping that means the default of the section at a path; None if there is no section."""
    fields = _fields(sections_at(kind, path[:-1]), path[-1])
    if not fields or not _sections(fields[0].annotation, inside_lists=False):
        return None
    default = fields[0].default
    return dict(tags(type(default))) if isinstance(default, BaseModel) else {}


def _fields(kinds: list[Kind], key: str | int) -> list[FieldInfo]:
    return [
        field
        for kind in kinds
        for name, field in zip(keys(kind), kind.model_fields.values(), strict=True)
        if name == key
    ]


def _sections(annotation: Any, *, inside_lists: bool = True) -> list[Kind]:
    """The models inside a type such as `Annotated[Adam | Sgd, ...] | None`, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (tuple, list) and not inside_lists:
        return []
    parts = get_args(annotation)
    return [kind for part in parts for kind in _sections(part, inside_lists=inside_lists)]
