"""The moving average of a network's weights, which is evaluated in their place."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mnistladder.config.spec import Average
from mnistladder.engine.averages import has_moving_averages, remove_start
from mnistladder.engine.joined_weights import JoinedWeights
from mnistladder.errors import CorruptError

PREFIX = "average/"
WEIGHTS, STEPS = f"{PREFIX}weights", f"{PREFIX}steps"


@dataclass
class WeightAverage:
    """The mean of the weights after every so many steps; a newer one counts more.

    Each update multiplies what the earlier ones count by `decay` (an exponential moving average,
    as in arXiv:1703.01780). It is unbiased from the first update on, which takes the weights as
    they are: weights before training never count. The moving averages of batch normalisation, and
    all other stored buffers of floats, are averaged in the same way; what their start values count
    is taken out.
    """

    plan: Average
    followed: dict[str, Tensor]  # what changes in training, by name in a checkpoint
    values: dict[str, Tensor]  # the averages, by the same names
    steps: int = 0

    @classmethod
    def of(cls, plan: Average, joined: JoinedWeights, network: nn.Module) -> "WeightAverage":
        """The average of a network before its first step."""
        parameters = dict(network.named_parameters())
        buffers = {
            PREFIX + name: value
            for name, value in network.state_dict().items()
            if name not in parameters and value.is_floating_point()
        }
        followed = {WEIGHTS: joined.values.data, **buffers}
        values = {name: torch.zeros_like(value) for name, value in followed.items()}
        return cls(plan, followed, values)

    @property
    def updates(self) -> int:
        """How many states of the weights the average holds."""
        return self.steps // self.plan.every

    @torch.no_grad()
    def after_step(self) -> None:
        """Counts a step of the optimizer; every so many steps the weights enter the average."""
        self.steps += 1
        if self.steps % self.plan.every:
            return
        share = (1 - self.plan.decay) / (1 - self.plan.decay**self.updates)
        for name, average in self.values.items():
            # Not `lerp_`: kernels round its one product and sum by their place in a vector.
            average.add_(torch.sub(self.followed[name], average).mul_(share))

    def start_share(self, kept: float) -> float:
        """What a moving average's start value counts in the average of that moving average.

        A moving average of batch normalisation keeps the share `kept` of its start value in each
        step. This is the mean of kept^step over the steps of the updates, by what they count.
        """
        decay, updates, kept = self.plan.decay, self.updates, kept**self.plan.every
        if abs(kept - decay) < 1e-12:
            total = updates * decay**updates
        else:
            total = kept * (decay**updates - kept**updates) / (decay - kept)
        return total * (1 - decay) / (1 - decay**updates)

    def network(self, trained: nn.Module, joined: JoinedWeights) -> nn.Module:
        """A copy of the network with the averages as its weights and buffers."""
        names = {parameter: name for name, parameter in trained.named_parameters()}
        parts = joined.split(self.values[WEIGHTS])
        weights = {
            names[parameter]: part for parameter, part in zip(joined.parameters, parts, strict=True)
        }
        buffers = {
            name.removeprefix(PREFIX): value
            for name, value in self.values.items()
            if name != WEIGHTS
        }
        averaged = copy.deepcopy(trained)
        averaged.load_state_dict(weights | buffers, strict=False)  # whole numbers are not averaged
        for module in averaged.modules():
            if has_moving_averages(module):
                remove_start(module, self.start_share(1 - (module.momentum or 0.0)))
        return averaged

    def stored(self) -> dict[str, Tensor]:
        """What a checkpoint holds of it."""
        return {**self.values, STEPS: torch.tensor(self.steps)}

    def take(self, stored: dict[str, Tensor]) -> None:
        """Copies what `stored` gave. Raises CorruptError if it is another network's."""
        shapes = {name: value.shape for name, value in self.stored().items()}
        if {name: value.shape for name, value in stored.items()} != shapes:
            raise CorruptError("a checkpoint of another network: its average does not fit")
        for name, value in self.values.items():
            value.copy_(stored[name])
        self.steps = int(stored[STEPS])
