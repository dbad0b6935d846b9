"""What a config file may say, as frozen and strict pydantic models.

Units stand in the key names. This module reads no files and does not import torch: `loading` reads
the files, `model.network` builds the network.
"""

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Discriminator, Field, InstanceOf, Tag

from mnistladder.config.base import Section
from mnistladder.config.optimizers import (
    Adadelta,
    Adam,
    AdamW,
    Muon,
    OptimizerSection,
    RmsProp,
    Sgd,
)
from mnistladder.errors import one_line
from mnistladder.model.layers import Layer
from mnistladder.model.shapes import layer_table

Rate = Annotated[float, Field(gt=0, le=100)]


def _printable(text: str) -> str:
    """The text; a mark stands for what reverses its direction, or cannot be seen.

    Raises ValueError for control characters, which a terminal would obey.
    """
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("text without control characters")
    return one_line(text)


def _ordered(band: tuple[float, float]) -> tuple[float, float]:
    if band[0] > band[1]:
        raise ValueError("two numbers, the lower one first")
    return band


Text = Annotated[str, AfterValidator(_printable)]


class Ramp(Section):
    """A learning rate that changes from the start of a phase to its end."""

    from_: Rate = Field(alias="from", description="learning rate at the start of the phase")
    to: Rate = Field(description="learning rate at the end of the phase")
    shape: Literal["linear", "cosine", "exponential"] = "linear"
    per: Literal["epoch", "step"] = Field("step", description="how often the rate changes")


LearningRate = Annotated[
    Annotated[Rate, Tag("number")] | Annotated[Ramp, Tag("ramp")],
    Discriminator(lambda value: "ramp" if isinstance(value, dict | Ramp) else "number"),
]


class Phase(Section):
    """Consecutive epochs with the same learning rate, or ramp, and the same kind of images."""

    epochs: int = Field(ge=1, le=10_000)
    lr: LearningRate
    augment: bool = Field(
        False, description="distort every image at random, in the ranges of `augment`"
    )
    pseudo_per_batch: int = Field(
        0,
        ge=0,
        description="how many images of each batch come from the pool, with the labels that the "
        "averaged networks predict for them",
    )
    new_stage: bool = Field(
        False,
        description="store the networks before this phase, so that other rungs can use them",
    )

    @property
    def begins_stage(self) -> bool:
        """Whether a new stage begins with this phase.

        Pseudo-labelling always begins one, because it needs all members trained up to here.
        """
        return self.new_stage or self.pseudo_per_batch > 0


class Augment(Section):
    """Ranges r of an image's random distortion: drawn from [-r, r], zoom from [1-r, 1+r]."""

    rotate_deg: float = Field(0.0, ge=0, le=180)
    shear_deg: float = Field(0.0, ge=0, le=80)
    zoom: float = Field(0.0, ge=0, lt=1, description="drawn for each axis on its own")
    shift_px: float = Field(0.0, ge=0, le=28, description="drawn for each axis on its own")
    elastic_px: float = Field(
        0.0,
        ge=0,
        le=28,
        description="elastic displacement: drawn for each axis of each point of a coarse grid; "
        "smooth between them",
    )
    elastic_grid: int = Field(
        6, ge=4, le=16, description="points along each axis; the outer ones lie outside the image"
    )
    erase: float = Field(
        0.0, ge=0, le=1, description="share of the images in which a random rectangle is erased"
    )
    erase_area: float = Field(
        0.4, ge=0.02, le=1, description="largest area of the rectangle, as a share of the image"
    )
    interpolation: Literal["bilinear", "nearest"] = "bilinear"


class Average(Section):
    """A moving average of the weights, which is evaluated in their place."""

    decay: float = Field(
        gt=0, lt=1, description="each update multiplies what earlier weights count by this"
    )
    every: int = Field(1, ge=1, le=1_000_000, description="steps from one update to the next")


Optimizer = Annotated[
    Adam | AdamW | Sgd | RmsProp | Adadelta | Muon,
    Field(discriminator="name"),
]
OPTIMIZERS: dict[str, type[OptimizerSection]] = {
    kind.model_fields["name"].default: kind for kind in get_args(get_args(Optimizer)[0])
}


class Published(Section):
    """The result that the article reports for this rung."""

    accuracy: float = Field(
        ge=0, le=100, description="percent of the test images that are classified correctly"
    )
    remark: Text | None = Field(
        None, max_length=200, description="how the article measured it, if we know"
    )


class Expected(Section):
    """The range in which the mean over seeds should lie; `report --check` compares with it."""

    errors: Annotated[tuple[float, float], Field(strict=False), AfterValidator(_ordered)] = Field(
        description="lowest and highest mean number of wrong test images"
    )


class Config(Section):
    """All that decides the result of a rung, except the seed, the data and the machine."""

    title: Text = Field(min_length=1, max_length=80, description="what is new in this rung")
    model: Annotated[tuple[InstanceOf[Layer], ...], Field(strict=False, min_length=1)]
    loss: Literal["cross_entropy", "clipped_cross_entropy"] = Field(
        "cross_entropy",
        description="computed from the softmax of the last layer; `clipped_cross_entropy` first "
        "limits the probabilities to [1e-7, 1 - 1e-7], as Keras 1 does",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each label that is spread over all classes"
    )
    clip_norm: float | None = Field(
        None, gt=0, description="gradients with a larger norm are scaled down to this norm"
    )
    optimizer: Optimizer = Adam()
    average: Average | None = Field(
        None,
        description="evaluates and stores a moving average of the weights; training goes on from "
        "the weights themselves",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="number format of activations and products in training; weights, updates and "
        "scores are always float32",
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="images of one training step")
    members: int = Field(
        1,
        ge=1,
        le=1_000,
        description="how many networks are trained; their probabilities are averaged",
    )
    views: Literal[1, 5, 9] = Field(
        1,
        description="how often each image is looked at in evaluation, shifted by a pixel: to the 4 "
        "sides, or to all 8; the probabilities are averaged",
    )
    pool: Literal["test", "test_first_half", "test_second_half"] | None = Field(
        None,
        description="which unlabelled images pseudo-labelling uses; with `test` the result is "
        "transductive, with one half the other half is scored",
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
    def stages(self) -> int:
        """Stages of all members: how many pieces are trained and stored one by one."""
        return self.members * (1 + sum(phase.begins_stage for phase in self.phases[1:]))

    @property
    def parameters(self) -> int:
        """Trainable parameters of one member."""
        return sum(row.parameters for row in layer_table(self.model))

    @property
    def transductive(self) -> bool:
        """Whether test images, without their labels, take part in training."""
        return any(phase.pseudo_per_batch for phase in self.phases)

    def pool_slice(self, test_images: int) -> slice:
        """Which test images are the pool: one half, or all."""
        first, second = _halves(test_images)
        halves = {"test_first_half": first, "test_second_half": second}
        return halves.get(self.pool or "", slice(0, test_images))

    def scored_slice(self, test_images: int) -> slice:
        """Which test images are scored: the half that is not the pool, or all."""
        first, second = _halves(test_images)
        others = {"test_first_half": second, "test_second_half": first}
        return others.get(self.pool or "", slice(0, test_images))


def _halves(images: int) -> tuple[slice, slice]:
    return slice(0, images // 2), slice(images // 2, images)


@dataclass(frozen=True)
class Rung:
    """A config with its name and the overrides that were applied to it."""

    name: str
    config: Config
    overrides: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """The name and the overrides, as tables show them."""
        return " ".join([self.name, *self.overrides])
