"""Every architecture against Keras 3, on its PyTorch backend: the article's networks were Keras's.

The same weights and images give the same outputs, loss, gradients and moving averages. Gradients
are compared in double precision: in single, the last bit of an activation near zero decides whether
a ReLU passes its gradient, and one such flip in 700,000 changes some gradients by percents.
"""

import copy
import os
import warnings

import numpy as np
import pytest
import torch

from mnistladder.config.loading import load_rung, shipped_names
from mnistladder.data import datasets
from mnistladder.engine import optim
from mnistladder.engine.train_state import TrainState
from mnistladder.model.layers import (
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Normalize,
    Relu,
    Sigmoid,
)

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("KERAS_HOME", os.devnull)  # it would write its settings into the user's home
with warnings.catch_warnings():  # its own, on import
    warnings.simplefilter("ignore")
    keras = pytest.importorskip("keras", reason="Keras is not installed: pip install -e '.[dev]'")

keras.config.set_floatx("float64")
STATISTICS = (33.3, 78.6)
BATCH = 32
TOLERANCE = 1e-4


def architectures():
    """The first rung with each network; later ones only train it otherwise."""
    first = {load_rung(name).config.model: name for name in reversed(shipped_names())}
    return sorted(first.values())


FIRST = {"data_format": "channels_first"}
LAYERS = {  # what the article's code names, with the same options; dropout is off
    Normalize: lambda layer: keras.layers.Rescaling(
        1 / STATISTICS[1], offset=-STATISTICS[0] / STATISTICS[1]
    ),
    Flatten: lambda layer: keras.layers.Flatten(),  # in the order of memory, as Keras 1 did
    Dense: lambda layer: keras.layers.Dense(layer.out),
    Conv: lambda layer: keras.layers.Conv2D(layer.out, layer.kernel, padding="same", **FIRST),
    MaxPool: lambda layer: keras.layers.MaxPooling2D(layer.size, **FIRST),
    BatchNorm: lambda layer: keras.layers.BatchNormalization(axis=1, momentum=0.99, epsilon=1e-3),
    Dropout: lambda layer: keras.layers.Dropout(0.0),
    Relu: lambda layer: keras.layers.Activation("relu"),
    Sigmoid: lambda layer: keras.layers.Activation("sigmoid"),
}


def twin(config, member):
    """Keras's network of a config, with the member's weights."""
    inputs = value = keras.Input((1, 28, 28), batch_size=BATCH)
    for layer in config.model:
        value = LAYERS[type(layer)](layer)(value)
    network = keras.Model(inputs, keras.layers.Softmax()(value))
    ours = (module for module in member.network if list(module.parameters()))
    for theirs in (layer for layer in network.layers if layer.weights):
        theirs.set_weights([to_keras(value) for value in parameters(next(ours))])
    assert next(ours, None) is None
    return network


def keras_loss(network, images, labels):
    truth = torch.nn.functional.one_hot(labels, 10).double()
    return keras.losses.categorical_crossentropy(truth, network(images, training=True)).mean()


def parameters(module):
    """A module's weights and moving averages, in Keras's order."""
    state = module.state_dict()
    return [value for name, value in state.items() if name != "num_batches_tracked"]


def to_keras(value):
    """Weights in Keras's layout: kernels are sides x in x out, matrices in x out."""
    order = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[value.dim()]
    return value.detach().permute(order).cpu().numpy()


@pytest.fixture(scope="module")
def digits():
    test = datasets.find("mnist").load().test
    images = torch.tensor(test.images[:BATCH])[:, None].float()
    return images, torch.from_numpy(test.labels[:BATCH].astype(np.int64))


@pytest.fixture(params=architectures())
def pair(request, digits):
    """A member of a rung, its dropout off and its averages moved, and its twin in Keras."""
    config = load_rung(request.param).config
    plain = tuple(
        layer.model_copy(update={"p": 0.0}) if isinstance(layer, Dropout) else layer
        for layer in config.model
    )
    config = config.model_copy(update={"model": plain})
    member = TrainState.new(config, 3, STATISTICS, torch.device("cpu"))
    for _ in range(20):
        member.network.train()(digits[0])
    return config, member, twin(config, member)


def test_outputs_of_the_trained_state_agree(pair, digits):
    _, member, network = pair
    images, _ = digits
    with torch.no_grad():
        found = member.network.eval()(images).softmax(1).double()
        expected = network(images, training=False)
    assert torch.allclose(found, expected, atol=TOLERANCE)
    assert not torch.allclose(found, expected.roll(1, 1), atol=100 * TOLERANCE)  # it can fail


def test_loss_gradients_and_moving_averages_of_one_step_agree(pair, digits):
    config, member, network = pair
    images, labels = digits
    exact = copy.deepcopy(member.network).double().train()
    loss = optim.make_loss(config)(exact(images.double()), labels)
    loss.backward()
    expected = keras_loss(network, images, labels)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=TOLERANCE)
    for ours, theirs in zip(exact.parameters(), network.trainable_weights, strict=True):
        found, wanted = to_keras(ours.grad), theirs.value.grad.numpy()
        assert np.abs(found - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    averages = [value for name, value in exact.state_dict().items() if "running" in name]
    moving = [w for w in network.weights if w.name.startswith("moving")]
    for ours, theirs in zip(averages, moving, strict=True):
        assert np.allclose(ours.numpy(), theirs.value.detach().numpy(), rtol=TOLERANCE, atol=1e-5)


def test_three_steps_of_adam_agree(digits):
    """Keras scales the rate where we scale the moments: apart by epsilon alone."""
    config = load_rung("model03_hidden").config
    member = TrainState.new(config, 0, STATISTICS, torch.device("cpu"))
    network = twin(config, member)
    images, labels = digits
    adam = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    start = [to_keras(value).copy() for value in member.network.parameters()]
    for _ in range(3):
        member.optimizer.param_groups[0]["lr"] = 1e-3
        member.weights.grad.zero_()
        optim.make_loss(config)(member.network.train()(images), labels).backward()
        member.optimizer.step()
        network.zero_grad()
        keras_loss(network, images, labels).backward()
        gradients = [weight.value.grad for weight in network.trainable_weights]
        with torch.no_grad():
            adam.apply(gradients, network.trainable_weights)
    for before, ours, theirs in zip(
        start, member.network.parameters(), network.trainable_weights, strict=True
    ):
        moved = np.abs(to_keras(ours) - before)
        assert moved.max() > 1e-3
        close = np.abs(to_keras(ours) - theirs.value.detach().numpy())
        assert np.quantile(close, 0.99) < 1e-2 * moved.max()


def test_initial_weights_are_drawn_as_keras_draws_them():
    """Both uniform within the same bounds, for a dense and a convolution kernel."""
    for name, position in (("model03_hidden", 0), ("model05_conv", 1)):
        member = TrainState.new(load_rung(name).config, 0, STATISTICS, torch.device("cpu"))
        kernels = [value for value in member.network.parameters() if value.dim() > 1]
        ours = to_keras(kernels[position])
        theirs = keras.initializers.GlorotUniform(seed=0)(ours.shape).numpy()
        assert np.abs(ours).max() == pytest.approx(np.abs(theirs).max(), rel=0.02)
        assert ours.std() == pytest.approx(theirs.std(), rel=0.1)
