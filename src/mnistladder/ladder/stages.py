"""The unit that is trained, stored and resumed: some phases of one member, known by its content."""

from dataclasses import dataclass
from functools import cached_property

from mnistladder.config.cost import OVERHEAD, multiply_adds
from mnistladder.config.recipe import RECIPE_VERSION, recipe
from mnistladder.config.spec import Config, Phase
from mnistladder.data.datasets import Source
from mnistladder.model.layers import plugin_versions
from mnistladder.sealed import digest
from mnistladder.seeds import member_seeds


@dataclass(frozen=True)
class Stage:
    """A member's phases from its previous stage up to the next one that begins a stage."""

    config: Config
    seed: int  # the member's
    phase_count: int  # phases trained when the stage is done, counted from the first
    source: Source
    previous: str | None = None  # the key of the member's stage before
    teachers: tuple[str, ...] = ()  # keys of the stages whose average labels the pool
    first_phase: int = 0

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self.config.phases[self.first_phase : self.phase_count]

    @property
    def first_epoch(self) -> int:
        return sum(phase.epochs for phase in self.config.phases[: self.first_phase])

    @property
    def epochs(self) -> int:
        """Epochs of this stage alone."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the stages that must be stored before this one can start."""
        own = (self.previous,) if self.previous else ()
        return own + self.teachers

    @cached_property
    def key(self) -> str:
        """SHA-256 of all that decides what is trained; equal keys are trained once.

        The number of members counts only through the teachers, and augmentation only once used, so
        that rungs which train the same networks share them.
        """
        content = self._content()
        if self.teachers:
            content["pool"] = self.config.pool
        return digest(content | {"seed": self.seed, "teachers": list(self.teachers)})[:32]

    @cached_property
    def stack_key(self) -> str:
        """SHA-256 of what stages must have in common to train side by side."""
        return digest(self._content() | {"first_phase": self.first_phase})

    def _content(self) -> dict[str, object]:
        content = recipe(self.config)
        for irrelevant in ("members", "pool"):
            content.pop(irrelevant, None)
        content["phases"] = [
            {key: value for key, value in phase.items() if key != "new_stage"}
            for phase in content["phases"][: self.phase_count]
        ]
        if not any(phase.augment for phase in self.config.phases[: self.phase_count]):
            content.pop("augment", None)
        if plugins := plugin_versions(self.config.model):
            content["plugins"] = plugins
        return content | {"recipe_version": RECIPE_VERSION, "data": self.source.sha256}

    @property
    def is_stackable(self) -> bool:
        """Whether several networks of this plan can train as one."""
        layers = all(layer.stackable and not layer.draws for layer in self.config.model)
        return layers and self.config.clip_norm is None  # a norm would be that of all

    def position(self, epoch: int) -> tuple[int, int]:
        """Phase index and epoch within that phase of the member's epoch number `epoch`."""
        for index, phase in enumerate(self.config.phases):
            if epoch < phase.epochs:
                return index, epoch
            epoch -= phase.epochs
        raise IndexError(epoch)


def member_stages(config: Config, seed: int, source: Source) -> list[list[Stage]]:
    """The stages of a rung's members at a root seed, one list for each phase that begins one.

    Within a list the order is that of the members; the last list is the finished rung.
    """
    points = [i for i, phase in enumerate(config.phases) if i and phase.begins_stage]
    levels: list[list[Stage]] = []
    for first, end in zip([0, *points], [*points, len(config.phases)], strict=True):
        before = tuple(stage.key for stage in levels[-1]) if levels else ()
        teachers = before if config.phases[first].pseudo_per_batch else ()
        levels.append(
            [
                Stage(config, member, end, source, key, teachers, first)
                for member, key in zip(
                    member_seeds(seed, config.members),
                    before or [None] * config.members,
                    strict=True,
                )
            ]
        )
    return levels


def stage_work(stage: Stage) -> float:
    """How long a stage trains compared with others; the size of the data set is left out."""
    images = sum(
        phase.epochs * stage.config.batch_size / (stage.config.batch_size - phase.pseudo_per_batch)
        for phase in stage.phases
    )
    return images * (multiply_adds(stage.config) + OVERHEAD)
