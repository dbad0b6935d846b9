"""Muon: gradient descent with momentum whose steps are made orthogonal, matrix by matrix."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim.adamw import adamw

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
LEAST_NORM = 1e-7


class Matrices(NamedTuple):
    """Where the matrix of each stacked network lies in a flat tensor."""

    start: int
    networks: int
    rows: int
    columns: int

    def of(self, flat: Tensor) -> Tensor:
        """The matrices as a view, networks x rows x columns."""
        end = self.start + self.networks * self.rows * self.columns
        return flat[self.start : end].view(self.networks, self.rows, self.columns)


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., 2024: kellerjordan.github.io/posts/muon) for matrices, AdamW for others.

    A parameter group whose `matrices` say where matrices lie in its flat parameter has Muon's step;
    any other group has that of AdamW, at a learning rate in a fixed proportion. With the same
    constants Muon's is the step of `torch.optim.Muon`, but in float32 throughout. All weights have
    the same state, so that it is stored as one tensor of each kind; Muon's momentum is `exp_avg`.
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        adam_lr_ratio: float = 0.1,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "adam_lr_ratio": adam_lr_ratio,
            "betas": betas,
            "eps": eps,
            "matrices": (),
            "fused": True,  # of AdamW's step; it counts the steps on the device
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step by the gradients of all parameters; a closure is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self._state_of(parameter)
                step = _muon_step if group["matrices"] else _adamw_step
                step(group, parameter, parameter.grad, state)

    def _state_of(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state


def _adamw_step(
    group: dict[str, Any], weights: Tensor, gradient: Tensor, state: dict[str, Tensor]
) -> None:
    beta1, beta2 = group["betas"]
    adamw(
        [weights],
        [gradient],
        [state["exp_avg"]],
        [state["exp_avg_sq"]],
        [],
        [state["step"]],
        fused=True,
        amsgrad=False,
        beta1=beta1,
        beta2=beta2,
        lr=group["lr"] * group["adam_lr_ratio"],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        maximize=False,
    )


def _muon_step(
    group: dict[str, Any], weights: Tensor, gradient: Tensor, state: dict[str, Tensor]
) -> None:
    """Each operation rounds once, so that no bit depends on the place of a weight in a vector."""
    rate, kept, average = group["lr"], group["momentum"], state["exp_avg"]
    state["step"] += 1
    new = gradient * (1 - kept)
    average.mul_(kept).add_(new)
    direction = new.add_(average * kept) if group["nesterov"] else average
    weights.mul_(1 - rate * group["weight_decay"])
    for place in group["matrices"]:
        scale = max(1.0, place.rows / place.columns) ** 0.5
        step = orthogonalized(place.of(direction)).mul_(rate * scale)
        place.of(weights).sub_(step)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices count x rows x columns with all singular values drawn near 1, by five rounds.

    Each round maps the singular values by 3.4445 x - 4.7750 x^3 + 2.0315 x^5 (Newton-Schulz; the
    coefficients are Jordan's), after the matrix was divided by its Frobenius norm. The rounds
    work on products of the shorter side alone: with A = X X' a round is X -> (a + b A + c A A) X,
    so the factors are collected, and X is multiplied once. In float32: in bfloat16 the result is
    off by 3 %, and so small products are no faster on a CPU.
    """
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalized(matrices.mT).mT
    norms = torch.linalg.vector_norm(matrices, dim=(1, 2), keepdim=True)
    matrices = matrices / norms.clamp(min=LEAST_NORM)
    linear, cubic, quintic = COEFFICIENTS
    squares, product = torch.bmm(matrices, matrices.mT), None
    for _ in range(ROUNDS):
        factor = torch.baddbmm(squares, squares, squares, beta=cubic, alpha=quintic)
        factor.diagonal(dim1=1, dim2=2).add_(linear)
        product = factor if product is None else torch.bmm(factor, product)
        squares = torch.bmm(torch.bmm(factor, squares), factor)
    assert product is not None
    return torch.bmm(product, matrices)
