"""What the technique of each shipped rung and variant is: `techniques.yaml`."""

from functools import cache
from pathlib import Path

from mnistladder.config import yaml_reader


@cache
def techniques() -> dict[str, str]:
    """A short paragraph for each shipped rung and variant, by name."""
    path = Path(__file__).with_name("techniques.yaml")
    texts: dict[str, str] = yaml_reader.parse(path.read_text(), path.name).data
    return texts
