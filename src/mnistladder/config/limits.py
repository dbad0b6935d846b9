"""What a config may not ask for: keys that contradict each other, and plans without bounds."""

from collections.abc import Sequence

from mnistladder.config import cost
from mnistladder.config.mistakes import Mistake
from mnistladder.config.spec import Config, Phase, Rung
from mnistladder.config.yaml_reader import KeyPath
from mnistladder.errors import UsageError
from mnistladder.model.layers import BatchNorm, Layer
from mnistladder.model.shapes import ShapeError, layer_table

MAX_LAYERS = 1_000
MAX_PARAMETERS = 200_000_000
MAX_ACTIVATION_BYTES = 8 << 30
MAX_EPOCHS = 100_000  # of one network; a row of the plan for each
MAX_STAGES = 10_000  # of all networks
MAX_STAGE_PHASES = 500_000  # stages x phases, as a stage hashes its phases: so many take 10 s


def model_mistakes(layers: tuple[Layer, ...]) -> list[Mistake]:
    """A layer that does not fit the one before it, or a network that is too large."""
    try:
        rows = layer_table(layers)
    except ShapeError as error:
        return [Mistake(("model", error.index), "combination", str(error))]
    total = sum(row.parameters for row in rows)
    if total <= MAX_PARAMETERS:
        return []
    text = f"the network has {total:,} parameters; at most {MAX_PARAMETERS:,} are allowed"
    return [Mistake(("model",), "combination", text, at_key=True)]


def contradictions(config: Config) -> list[Mistake]:
    """Keys that are right alone and impossible together."""
    mistakes = [
        mistake
        for index, phase in enumerate(config.phases)
        for mistake in _phase_mistakes(config, index, phase)
    ]
    if config.loss == "clipped_cross_entropy" and config.label_smoothing:
        text = "`label_smoothing`: needs `loss: cross_entropy`"
        mistakes.append(Mistake(("label_smoothing",), "combination", text))
    if config.batch_size == 1 and any(isinstance(layer, BatchNorm) for layer in config.model):
        text = "`batch_size`: batch normalisation needs at least 2 images"
        mistakes.append(Mistake(("batch_size",), "combination", text))
    return mistakes + _batch_mistakes(config) + _plan_mistakes(config)


def _phase_mistakes(config: Config, index: int, phase: Phase) -> list[Mistake]:
    path: KeyPath = ("phases", index)
    mistakes = []
    if phase.augment and config.augment is None:
        text = "`augment: true` needs a top-level `augment:` with the ranges"
        mistakes.append(Mistake((*path, "augment"), "combination", text))
    if phase.pseudo_per_batch:
        where = (*path, "pseudo_per_batch")
        mistakes += [
            Mistake(where, "combination", f"`pseudo_per_batch`: {text}")
            for text in _pseudo_mistakes(config, index, phase)
        ]
    return mistakes


def _pseudo_mistakes(config: Config, index: int, phase: Phase) -> list[str]:
    texts = []
    if phase.pseudo_per_batch >= config.batch_size:
        texts.append(f"must be smaller than the batch size, {config.batch_size}")
    if config.pool is None:
        texts.append("needs a top-level `pool:` that names the unlabelled images")
    if index == 0:
        texts.append("not in the first phase: no network is trained yet to label the images")
    return texts


def _batch_mistakes(config: Config) -> list[Mistake]:
    """A batch whose layer outputs would fill more memory than a usual computer has."""
    needed = cost.activation_bytes(config)
    if needed <= MAX_ACTIVATION_BYTES:
        return []
    limit = MAX_ACTIVATION_BYTES >> 30
    text = (
        f"the layer outputs of one batch would need {needed / 2**30:,.0f} GiB of memory; "
        f"at most {limit} GiB are allowed"
    )
    return [Mistake(("batch_size",), "combination", text)]


def _plan_mistakes(config: Config) -> list[Mistake]:
    mistakes = []
    if config.epochs > MAX_EPOCHS:
        text = f"`phases`: {config.epochs:,} epochs in all; at most {MAX_EPOCHS:,} are allowed"
        mistakes.append(Mistake(("phases",), "combination", text, at_key=True))
    if _too_long_to_plan(config.stages, config.stages * len(config.phases)):
        text = (
            f"`phases`: {config.members:,} members x {config.stages // config.members:,} stages x "
            f"{len(config.phases):,} phases are too many to plan; use fewer members, or fewer "
            "phases that begin a stage (`new_stage`, `pseudo_per_batch`)"
        )
        mistakes.append(Mistake(("phases",), "combination", text, at_key=True))
    return mistakes


def check_plan(rungs: Sequence[Rung], seeds: int) -> None:
    """Raises UsageError if these rungs, each at so many seeds, are too much to plan at once."""
    stages = seeds * sum(rung.config.stages for rung in rungs)
    phases = seeds * sum(rung.config.stages * len(rung.config.phases) for rung in rungs)
    if _too_long_to_plan(stages, phases):
        raise UsageError(
            f"{seeds:,} seeds of {len(rungs):,} rungs are {stages:,} trainings; "
            f"at most {MAX_STAGES:,} at once, and fewer if they have many phases: use fewer --seeds"
        )


def _too_long_to_plan(stages: int, stage_phases: int) -> bool:
    return stages > MAX_STAGES or stage_phases > MAX_STAGE_PHASES
