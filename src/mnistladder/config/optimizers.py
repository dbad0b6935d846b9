"""The optimizers that a config may name. Each is one class, and one entry of `spec.Optimizer`.

An optimizer's fields are its YAML keys. Learning rates are not among them: they come from the
phases, step by step. Torch is imported only by `build`, so that commands which train nothing start
at once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer

from mnistladder.config.base import Section

if TYPE_CHECKING:
    from torch import nn, optim

Decay = Annotated[float, Field(ge=0, le=1)]
ParameterKind = Literal["bias", "norm"]
ParameterKinds = Annotated[
    tuple[ParameterKind, ...],
    Field(strict=False),
    AfterValidator(lambda kinds: tuple(sorted(set(kinds)))),
    PlainSerializer(list),
]


class OptimizerSection(Section):
    """Base of all optimizers. A class adds `name`, its keys and `build`."""

    name: str
    weight_decay: Decay = Field(0.0, description="added to the gradient, times the weight")
    no_decay: ParameterKinds = Field(
        (),
        description="parameters without weight decay: `bias`, the biases of other layers than "
        "normalisations; `norm`, the gains and offsets of normalisations",
    )

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        """Torch's optimizer of these weights, with weight decay for all of them."""
        raise TypeError(f"{type(self).__name__} must define `build`")


class Adam(OptimizerSection):
    """Adam (arXiv:1412.6980)."""

    name: Literal["adam"] = "adam"
    beta1: float = Field(0.9, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    eps: float = Field(1e-8, gt=0, le=1)

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from torch import optim

        return optim.Adam(
            weights,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


class AdamW(Adam):
    """Adam with decoupled weight decay (arXiv:1711.05101)."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    weight_decay: Decay = Field(0.01, description="shrinks the weights directly")

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from torch import optim

        return optim.AdamW(
            weights,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


class Sgd(OptimizerSection):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    momentum: float = Field(0.0, ge=0, lt=1)
    nesterov: bool = False

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from torch import optim

        return optim.SGD(
            weights,
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            fused=True,
        )


class RmsProp(OptimizerSection):
    """RMSprop (Hinton's lecture 6e, 2012), in torch's form."""

    name: Literal["rmsprop"] = "rmsprop"
    alpha: float = Field(0.99, ge=0, lt=1, description="of the mean of squared gradients")
    eps: float = Field(1e-8, gt=0, le=1)
    momentum: float = Field(0.0, ge=0, lt=1)
    centered: bool = Field(False, description="divides by the gradient's standard deviation")

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from torch import optim

        return optim.RMSprop(
            weights,
            alpha=self.alpha,
            eps=self.eps,
            momentum=self.momentum,
            centered=self.centered,
            weight_decay=self.weight_decay,
            foreach=False,
        )


class Adadelta(OptimizerSection):
    """Adadelta (arXiv:1212.5701); the article's own learning rate is 1."""

    name: Literal["adadelta"] = "adadelta"
    rho: float = Field(0.9, ge=0, lt=1, description="of the means of squares")
    eps: float = Field(1e-6, gt=0, le=1)

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from torch import optim

        return optim.Adadelta(
            weights, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay, foreach=False
        )


class Muon(OptimizerSection):
    """Muon (Jordan et al., 2024), which makes each step of a matrix orthogonal; AdamW for others.

    The matrices are the weights of dense layers and the filters of convolutions.
    """

    name: Literal["muon"] = "muon"
    weight_decay: Decay = Field(0.1, description="shrinks the weights directly")
    momentum: float = Field(0.95, ge=0, lt=1)
    nesterov: bool = True
    last_layer: bool = Field(
        False, description="whether the weights of the last layer are Muon's too, not AdamW's"
    )
    adam_lr_ratio: float = Field(
        0.1, gt=0, le=1_000, description="AdamW's learning rate, as a multiple of Muon's"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="of AdamW")
    beta2: float = Field(0.999, ge=0, lt=1, description="of AdamW")
    eps: float = Field(1e-8, gt=0, le=1, description="of AdamW")

    def build(self, weights: Sequence["nn.Parameter"]) -> "optim.Optimizer":
        from mnistladder.model.muon import Muon as Orthogonalizing

        return Orthogonalizing(
            weights,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            nesterov=self.nesterov,
            adam_lr_ratio=self.adam_lr_ratio,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
        )
