"""A rung at a root seed: its stages, and the record of its result."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from mnistladder.config.spec import Rung
from mnistladder.data.datasets import Source
from mnistladder.data.holdout import words
from mnistladder.ladder.stages import Stage, member_stages
from mnistladder.sealed import digest


@dataclass(frozen=True)
class Attempt:
    """A rung at a root seed: what is to be climbed."""

    rung: Rung
    seed: int
    source: Source

    @property
    def label(self) -> str:
        """What users call it, as the label of its result."""
        return " ".join([self.rung.label, *words(self.source.holdout), f"seed {self.seed}"])

    @cached_property
    def levels(self) -> list[list[Stage]]:
        return member_stages(self.rung.config, self.seed, self.source)

    @property
    def stages(self) -> Iterator[Stage]:
        return chain.from_iterable(self.levels)

    @cached_property
    def result_id(self) -> str:
        """Follows from the rung's name and its members' keys; training again gives the same id."""
        return digest([self.rung.name, [stage.key for stage in self.levels[-1]]])[:16]
