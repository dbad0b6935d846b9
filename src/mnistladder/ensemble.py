"""A result's trained networks as one: images in, their averaged probabilities out."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from mnistladder.checking import recorded_config
from mnistladder.member import Member
from mnistladder.members import Members
from mnistladder.records import Record

UNFITTED = (0.0, 1.0)  # pixel statistics, until the checkpoint brings its own


class Ensemble(nn.Module):
    """One or more networks in eval mode, averaged as `members.mean_probabilities` does."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities N x 10, float64, of float32 pixels N x 1 x 28 x 28 from 0 to 255."""
        first, *others = (network(images).softmax(1).double() for network in self.networks)
        return sum(others, first) / len(self.networks)


def load(record: Record, members: Members, device: torch.device) -> Ensemble:
    """The stored networks of a result. Raises UsageError where they are not, CorruptError."""
    config = recorded_config(record)
    members.need(record["member_keys"], record)
    networks = []
    for key, seed in zip(record["member_keys"], record["member_seeds"], strict=True):
        member = Member.new(config, seed, UNFITTED, device)
        member.load(members.checkpoint(key))
        networks.append(member.network.requires_grad_(False))
    return Ensemble(networks)
