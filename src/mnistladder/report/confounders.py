"""What a step changes beside the technique that its rung is named for, from the configs."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, pairwise

from mnistladder.config.loading import load_rung, rung_of, shipped_names, variant_names
from mnistladder.config.recipe import recipe
from mnistladder.config.schedule import rate_text
from mnistladder.config.spec import Config, Phase
from mnistladder.model.layers import Layer, layer_name

# The aspects of a config that a rung's title names. What else it changes is computed.
NAMED = {
    "model02_normalized": {"normalisation"},
    "model03_hidden": {"hidden layers"},
    "model04_deep": {"hidden layers"},
    "model05_conv": {"convolutions", "hidden layers"},  # they stand where hidden layers stood
    "model06_maxpool": {"pooling"},
    "model07_vgg": {"convolutions", "pooling"},
    "model08_batchnorm": {"batch normalisation"},
    "model09_dropout": {"dropout"},
    "model10_augmentation": {"augmentation"},
    "model11_annealing": {"learning rate"},
    "model12_averaging": {"members"},
    "model13_pseudolabel": {"pseudo-labels"},
}
WORDS = {"conv": "convolutions", "dense": "hidden layers"}
DESCRIBED = {"model", "loss", "precision", "batch_size", "phases", "augment", "members", "pool"}
NORMALISERS = {"normalize": "normalisation", "batchnorm": "batch normalisation"}
ACTIVATION = {"convolutions": "activation", "hidden layers": "hidden activation"}


@cache
def also_changed(before: str, after: str) -> tuple[str, ...]:
    """What a shipped rung or variant changes since another one beside its rung's technique.

    In plain words, as `batch 32 -> 128`; empty if the technique alone is new, or is not known.
    """
    named = NAMED.get(rung_of(after) or after)
    if named is None:
        return ()
    changes = changed(load_rung(before).config, load_rung(after).config)
    return tuple(text for aspect, text in changes.items() if aspect not in named)


@cache
def controlled_step(before: str, after: str) -> tuple[str, str] | None:
    """The step through a control variant in which a rung's technique alone is new.

    It leads from a variant to the rung, or from the rung before to a variant. None if the step
    itself does so, or if no variant does.
    """
    if not also_changed(before, after):
        return None
    steps = [(name, after) for name in variant_names()]
    steps += [(before, name) for name in variant_names() if rung_of(name) == after]
    return next((step for step in steps if _isolates(*step, NAMED[after])), None)


def confounded_rungs() -> dict[str, tuple[str, ...]]:
    """Of each rung after the first, what its step changes beside its technique."""
    return {after: also_changed(before, after) for before, after in pairwise(shipped_names())}


def _isolates(before: str, after: str, named: set[str]) -> bool:
    return changed(load_rung(before).config, load_rung(after).config).keys() == named


def changed(before: Config, after: Config) -> dict[str, str]:
    """The aspects that differ, each with its change in plain words."""
    old, new = aspects(before), aspects(after)
    differences = {}
    for aspect in dict.fromkeys([*old, *new]):
        one, other = old.get(aspect), new.get(aspect)
        came_with_layers = aspect.endswith(("activation", "units")) and None in (one, other)
        if one != other and not came_with_layers:
            differences[aspect] = _words(aspect, one or "none", other or "none")
    return differences


def _words(aspect: str, before: str, after: str) -> str:
    if aspect == "epochs":
        return f"{before} -> {after} epochs"
    if aspect.endswith("activation"):
        return f"{before} -> {after}"
    if after.startswith("from epoch") and before != "none":
        return f"augmented {after}"
    if after.startswith(f"{before}, "):
        return f"{aspect}: then {after.removeprefix(f'{before}, ')}"
    return f"{aspect} {before} -> {after}"


def aspects(config: Config) -> dict[str, str]:
    """What a student would say of a config, one short text for each aspect that it has."""
    others = {key: str(value) for key, value in recipe(config).items() if key not in DESCRIBED}
    texts = {**dict(_model_aspects(config.model)), **others} | {
        "loss": "clipped" if config.loss == "clipped_cross_entropy" else "not clipped",
        "precision": config.precision,
        "batch": str(config.batch_size),
        "epochs": str(config.epochs),
        "learning rate": ", ".join(rate for rate, _ in groupby(map(rate_text, config.phases))),
        "augmentation": _augmentation(config.phases),
        "members": str(config.members),
        "pseudo-labels": ", ".join(
            f"{phase.pseudo_per_batch} a batch" for phase in config.phases if phase.pseudo_per_batch
        ),
    }
    return {aspect: text for aspect, text in texts.items() if text}


def _augmentation(phases: Sequence[Phase]) -> str:
    """From which epoch on images are augmented; empty if they never are."""
    first = 1
    for phase in phases:
        if phase.augment:
            return f"from epoch {first}"
        first += phase.epochs
    return ""


def _model_aspects(model: Sequence[Layer]) -> Iterator[tuple[str, str]]:
    """The layers by kind; the last dense layer gives the scores, and is no hidden one."""
    options: dict[str, list[str]] = {}
    activations: dict[str, list[str]] = {}
    weighted = ""
    for layer in model[:-1]:
        kind = layer_name(layer)
        if kind in WORDS:
            weighted = WORDS[kind]
            options.setdefault(weighted, []).append(str(layer.model_dump()["out"]))
        elif kind in NORMALISERS:
            options.setdefault(NORMALISERS[kind], []).append("x")
        elif "pool" in kind:
            options.setdefault("pooling", []).append("x")
        elif kind == "dropout":
            options.setdefault("dropout", []).append(str(layer.model_dump()["p"]))
        elif kind != "flatten" and weighted:
            activations.setdefault(ACTIVATION[weighted], []).append(kind)
    return _described(options, activations)


def _described(
    options: dict[str, list[str]], activations: dict[str, list[str]]
) -> Iterator[tuple[str, str]]:
    for aspect, values in options.items():
        if aspect == "hidden layers":
            yield aspect, str(len(values))
            yield "hidden units", ", ".join(dict.fromkeys(values))
        else:
            yield aspect, str(len(values)) if values[0] == "x" else ", ".join(values)
    for aspect, kinds in activations.items():
        yield aspect, ", ".join(dict.fromkeys(kinds))
