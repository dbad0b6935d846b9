"""PyTorch Lightning with its defaults, or in mixed precision, on an in-memory TensorDataset."""

import os
import tempfile
import warnings

import lightning
import rung9
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset
from window import Window, arguments, digits


class Module(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = rung9.build()

    def training_step(self, batch, number):
        images, labels = batch
        return functional.cross_entropy(self.network(images), labels)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Clock(lightning.Callback):
    def __init__(self, window: Window) -> None:
        self.window = window

    def on_train_batch_end(self, *_: object) -> None:
        self.window.step()


def main() -> None:
    options = arguments(precision="float32 or bfloat16")
    precision = "bf16-mixed" if options.precision == "bfloat16" else None  # None: its default
    warnings.simplefilter("ignore")
    images, labels = digits()
    pixels = (torch.from_numpy(images.copy())[:, None] / 255 - 0.1307) / 0.3081
    dataset = TensorDataset(pixels, torch.from_numpy(labels.astype("int64")))
    loader = DataLoader(dataset, batch_size=options.batch, shuffle=True)
    window = Window(options)
    with tempfile.TemporaryDirectory() as root:
        os.chdir(root)  # where it keeps its logs
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_steps=options.warmup + options.steps,
            precision=precision,
            callbacks=[Clock(window)],
        )
        trainer.fit(Module(), loader)
    window.print()


if __name__ == "__main__":
    main()
