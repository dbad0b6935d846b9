"""The loop that users copy from PyTorch's basic MNIST example: DataLoader, per-image transforms."""

import tempfile
from pathlib import Path

import rung9
import torch
import torchvision
from torch.nn import functional
from torchvision import transforms
from window import Window, arguments

from mnistladder.data import datasets, idx

LOG_INTERVAL = 10


def folder(root: str) -> str:
    """The digits as the four raw files that torchvision looks for."""
    raw = Path(root) / "MNIST" / "raw"
    raw.mkdir(parents=True)
    found = datasets.read_folder(datasets.MNIST_DIR, "mnist")
    for names, split in zip(datasets.FILES.values(), (found.train, found.test), strict=True):
        for name, array in zip(names, (split.images, split.labels), strict=True):
            (raw / name).write_bytes(idx.encode_idx(array))
    return root


def main() -> None:
    options = arguments()
    device = torch.device("cpu")
    transform = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    )
    with tempfile.TemporaryDirectory() as root:
        dataset = torchvision.datasets.MNIST(folder(root), train=True, transform=transform)
    loader = torch.utils.data.DataLoader(dataset, batch_size=options.batch, shuffle=True)
    network = rung9.build().to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    network.train()
    window = Window(options)
    for number, batch in enumerate(loader):
        images, labels = (values.to(device) for values in batch)
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        if number % LOG_INTERVAL == 0:
            loss.item()  # the example prints it
        if window.step():
            break
    window.print()


if __name__ == "__main__":
    main()
