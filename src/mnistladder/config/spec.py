"""What a config file may say: frozen, strict models. Units stand in the key names.

This module knows neither files nor torch; `loading` reads the files, `network` builds the model.
"""

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, InstanceOf, Tag

from mnistladder.config.optimizers import (
    Adadelta,
    Adam,
    AdamW,
    OptimizerSection,
    RmsProp,
    Sgd,
)
from mnistladder.config.section import Section
from mnistladder.model.layers import Layer
from mnistladder.model.shapes import layer_table

Rate = Annotated[float, Field(gt=0, le=100)]


def _printable(text: str) -> str:
    """Text that a terminal shows, and does not obey."""
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("no control characters")
    return text


def _ordered(band: tuple[float, float]) -> tuple[float, float]:
    if band[0] > band[1]:
        raise ValueError("two numbers, the lower one first")
    return band


Text = Annotated[str, AfterValidator(_printable)]


class Ramp(Section):
    """A learning rate that changes through a phase, from its first value to its last."""

    from_: Rate = Field(alias="from", description="learning rate at the start of the phase")
    to: Rate = Field(description="learning rate at the end of the phase")
    shape: Literal["linear", "cosine", "exponential"] = "linear"
    per: Literal["epoch", "step"] = Field("step", description="how often it changes")


LearningRate = Annotated[
    Annotated[Rate, Tag("number")] | Annotated[Ramp, Tag("ramp")],
    Discriminator(lambda value: "ramp" if isinstance(value, dict | Ramp) else "number"),
]


class Phase(Section):
    """Consecutive epochs that share one learning rate and one input recipe."""

    epochs: int = Field(ge=1, le=10_000)
    lr: LearningRate
    augment: bool = Field(False, description="distort the images of each batch")
    pseudo_per_batch: int = Field(
        0, ge=0, description="of each batch, images whose labels the members guessed"
    )
    new_stage: bool = Field(
        False, description="store what came before by itself, to share it with other rungs"
    )

    @property
    def begins_stage(self) -> bool:
        """Pseudo-labelling always does: all members must be trained that far."""
        return self.new_stage or self.pseudo_per_batch > 0


class Augment(Section):
    """Ranges r of an image's random affine map: drawn from [-r, r], zoom from [1-r, 1+r]."""

    rotate_deg: float = Field(0.0, ge=0, le=180)
    shear_deg: float = Field(0.0, ge=0, le=80)
    zoom: float = Field(0.0, ge=0, lt=1, description="drawn for each axis on its own")
    shift_px: float = Field(0.0, ge=0, le=28, description="drawn for each axis on its own")
    interpolation: Literal["bilinear", "nearest"] = "bilinear"


Optimizer = Annotated[
    Adam | AdamW | Sgd | RmsProp | Adadelta,
    Field(discriminator="name"),
]
OPTIMIZERS: dict[str, type[OptimizerSection]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(Optimizer)[0])
}


class Published(Section):
    """What the article reports for this rung."""

    accuracy: float = Field(ge=0, le=100, description="percent of the test images")
    remark: Text | None = Field(
        None, max_length=200, description="how that figure came about, where we know"
    )


class Expected(Section):
    """Where the mean of any seeds should lie, from measured runs; `report --check` looks."""

    errors: Annotated[tuple[float, float], Field(strict=False), AfterValidator(_ordered)] = Field(
        description="lowest and highest mean number of errors"
    )


class Config(Section):
    """Everything that decides a rung's result, except the seed, the data and the machine."""

    title: Text = Field(min_length=1, max_length=80, description="what is new in this rung")
    model: Annotated[tuple[InstanceOf[Layer], ...], Field(strict=False, min_length=1)]
    loss: Literal["cross_entropy", "clipped_cross_entropy"] = Field(
        "cross_entropy",
        description="on the softmax of the last layer; the clipped one keeps probabilities in "
        "[1e-7, 1 - 1e-7] as Keras 1 does",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    clip_norm: float | None = Field(None, gt=0, description="largest norm of the gradient")
    optimizer: Optimizer = Adam()
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="of activations and products while training; weights, updates and scores are "
        "float32 in both",
    )
    batch_size: int = Field(32, ge=1, le=65_536)
    members: int = Field(1, ge=1, le=1_000, description="networks whose probabilities are averaged")
    pool: Literal["test", "test_first_half", "test_second_half"] | None = Field(
        None,
        description="unlabelled images for pseudo-labelling; `test` makes a row transductive, a "
        "half of it is scored on the other half",
    )
    augment: Augment | None = None
    phases: Annotated[tuple[Phase, ...], Field(strict=False, min_length=1, max_length=1_000)]
    published: Published | None = None
    expect: Expected | None = None

    @property
    def epochs(self) -> int:
        """Epochs of one member."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def parameters(self) -> int:
        """Trainable parameters of one member."""
        return sum(row.parameters for row in layer_table(self.model))

    @property
    def transductive(self) -> bool:
        """Whether test images, without their labels, take part in training."""
        return any(phase.pseudo_per_batch for phase in self.phases)

    def pool_slice(self, test_images: int) -> slice:
        """Which test images are the pool."""
        half = test_images // 2
        halves = {"test_first_half": slice(0, half), "test_second_half": slice(half, test_images)}
        return halves.get(self.pool or "", slice(0, test_images))

    def scored_slice(self, test_images: int) -> slice:
        """Which test images count: all, or those that a pool of one half has left."""
        half = test_images // 2
        others = {"test_first_half": slice(half, test_images), "test_second_half": slice(0, half)}
        return others.get(self.pool or "", slice(0, test_images))


@dataclass(frozen=True)
class Rung:
    """A config under its name, and the overrides that were applied to it."""

    name: str
    config: Config
    overrides: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        return " ".join([self.name, *self.overrides])
