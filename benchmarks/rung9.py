"""The network of configs/model09_dropout.yaml as a user of plain PyTorch writes it."""

from itertools import pairwise

from torch import nn

BLOCKS = ((7, 7), (14, 14), (28, 28, 28), (56, 56, 56))
PARAMETERS = 98_564


def build() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 1
    for number, block in enumerate(BLOCKS, 1):
        for before, after in pairwise((channels, *block)):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2), nn.BatchNorm2d(block[-1]), nn.Dropout(number / 10)]
        channels = block[-1]
    layers += [nn.Flatten(), nn.Linear(56, 100), nn.Sigmoid(), nn.Dropout(0.5), nn.Linear(100, 10)]
    network = nn.Sequential(*layers)
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS
    return network
