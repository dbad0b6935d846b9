"""Keras 3 `fit` with its defaults on arrays in memory; --backend jax or tensorflow; --precision."""

import contextlib
import os
import sys
from math import prod

from window import Window, arguments, digits


def build(keras):
    from rung9 import BLOCKS, PARAMETERS

    layers = keras.layers
    network = keras.Sequential([keras.Input((28, 28, 1))])
    for number, block in enumerate(BLOCKS, 1):
        for channels in block:
            network.add(layers.Conv2D(channels, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D())
        network.add(layers.BatchNormalization())
        network.add(layers.Dropout(number / 10))
    network.add(layers.Flatten())
    network.add(layers.Dense(100, activation="sigmoid"))
    network.add(layers.Dropout(0.5))
    network.add(layers.Dense(10, activation="softmax"))
    assert sum(prod(weight.shape) for weight in network.trainable_weights) == PARAMETERS
    network.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return network


def main() -> None:
    options = arguments(backend="jax or tensorflow", precision="float32 or bfloat16")
    os.environ["KERAS_BACKEND"] = options.backend
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras

    if options.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    images, labels = digits()
    count = options.batch * (options.warmup + options.steps)
    pixels = images[:count, :, :, None].astype("float32") / 255
    window = Window(options)

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            window.step()

    with contextlib.redirect_stdout(sys.stderr):
        network = build(keras)
        network.fit(pixels, labels[:count], batch_size=options.batch, callbacks=[Clock()])
    window.print()


if __name__ == "__main__":
    main()
