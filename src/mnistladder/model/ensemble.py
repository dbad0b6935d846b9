"""Several networks as one: images in, their averaged probabilities out."""

from collections.abc import Iterable

from torch import Tensor, nn

UNFITTED = (0.0, 1.0)  # pixel statistics, until the checkpoint brings its own


class Ensemble(nn.Module):
    """One or more networks in eval mode, averaged as `stage_store.mean_probabilities` does."""

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities N x 10, float64, of float32 pixels N x 1 x 28 x 28 from 0 to 255."""
        first, *others = (network(images).softmax(1).double() for network in self.networks)
        return sum(others, first) / len(self.networks)
