"""The order, the epoch and the loop, each against a plain formula."""

import pytest
import small
import torch
from torch import nn
from torch.nn import functional

from mnistladder.config.sizes import epoch_size
from mnistladder.config.spec import Adadelta, Adam, AdamW, Augment, RmsProp, Sgd
from mnistladder.data import datasets
from mnistladder.engine import inputs, loop, optim, stacking
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState, hash_weights
from mnistladder.model.layers import Dropout

STATISTICS = (33.3, 78.6)
PSEUDO = small.tiny(pool="test", phases=small.phases(1, 1, pseudo_per_batch=16))


@pytest.fixture(scope="module")
def digits(digits_dir):
    """The subset's training and test images on the CPU."""
    found = datasets.read_folder(digits_dir, "digits")
    return [
        Images(torch.from_numpy(s.images.copy())[:, None], torch.from_numpy(s.labels.copy()).long())
        for s in (found.train, found.test)
    ]


def test_one_real_image_in_each_batch_is_mixed():
    config = PSEUDO.model_copy(update={"batch_size": 17})
    assert len(inputs.mixed_order(20, 50, config, config.phases[1], 0, 0)) == 20 * 17


def order(count=512, pool=256, config=PSEUDO, phase=1, seed=0, epoch=0):
    return inputs.mixed_order(count, pool, config, config.phases[phase], seed, epoch)


@pytest.mark.parametrize(("count", "kept"), [(512, 512), (500, 500), (513, 512), (40, 40)])
def test_plain_order_has_each_training_image_once(count, kept):
    found = order(count, phase=0)
    assert len(found) == kept == len(found.unique())
    assert found.max() < count
    assert not torch.equal(found, found.sort().values)


@pytest.mark.parametrize("count", [480, 512, 500, 50])
def test_mixed_order_has_each_training_image_once_and_16_of_the_pool_in_each_64(count):
    found = order(count)
    real = found[found < count]
    assert torch.equal(real.sort().values, torch.arange(count))
    batches = found.split(64)
    assert all((batch >= count).sum() == 16 for batch in batches)
    assert all(len(batch) == 64 for batch in batches[:-1])
    assert len(batches) == epoch_size(count, 64, 16).steps
    assert len(found) == epoch_size(count, 64, 16).images


@pytest.mark.parametrize("pool", [256, 100, 7])
def test_mixed_order_walks_the_pool_evenly(pool):
    found = order(pool=pool)
    uses = torch.bincount(found[found >= 512] - 512, minlength=pool)
    assert len(uses) == pool
    assert uses.max() - uses.min() <= 1


@pytest.mark.parametrize("phase", [0, 1])
def test_order_depends_on_seed_and_epoch_alone(phase):
    first = order(phase=phase)
    assert torch.equal(order(phase=phase), first)
    assert not torch.equal(order(phase=phase, epoch=1), first)
    assert not torch.equal(order(phase=phase, seed=1), first)


def epoch_of(digits, config, phase=0, seed=0, epoch=0):
    """All inputs of an epoch at once."""
    return inputs.assemble_epoch(*digits, config, config.phases[phase], seed, epoch)[:]


@pytest.mark.parametrize("count", [1, 3])
def test_batches_are_the_epochs_cut_up_and_side_by_side(digits, count):
    epochs = [
        inputs.assemble_epoch(*digits, AUGMENTED, AUGMENTED.phases[1], seed, 0)
        for seed in range(count)
    ]
    whole = inputs.side_by_side([epoch[:] for epoch in epochs])
    found = list(inputs.batches(epochs, 50))
    assert [len(labels) for _, labels in found] == [50] * 10 + [12]
    assert torch.equal(torch.cat([images for images, _ in found]), whole.images)
    assert torch.equal(torch.cat([labels for _, labels in found]), whole.labels)


AUGMENTED = small.tiny(augment=Augment(rotate_deg=10), phases=small.phases(1, 1, augment=True))


@pytest.mark.parametrize("phase", [0, 1])
def test_epoch_is_the_same_each_time_and_another_each_epoch(digits, phase):
    first, again, later = (epoch_of(digits, AUGMENTED, phase, epoch=e) for e in (4, 4, 5))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images.float(), later.images.float())


def test_epoch_without_augmentation_is_the_images_in_order(digits):
    found = epoch_of(digits, AUGMENTED)
    rows = order(config=AUGMENTED, phase=0)
    assert torch.equal(found.images, digits[0].images[rows])
    assert torch.equal(found.labels, digits[0].labels[rows])
    assert found.images.dtype == torch.uint8


def test_augmented_epoch_keeps_labels_and_changes_pixels(digits):
    plain = epoch_of(digits, AUGMENTED, 0)
    found = epoch_of(digits, AUGMENTED, 1)
    assert torch.equal(found.labels, plain.labels)
    change = (found.images - plain.images.float()).abs().mean((1, 2, 3))
    assert (change > 0).float().mean() > 0.95
    assert change.mean() < 40


def test_pool_brings_its_images_with_the_labels_it_was_given(digits):
    guessed = Images(digits[1].images, (digits[1].labels + 1) % 10)
    found = epoch_of((digits[0], guessed), PSEUDO, 1)
    rows = order()
    of_pool = rows >= 512
    assert torch.equal(found.images[of_pool], guessed.images[rows[of_pool] - 512])
    assert torch.equal(found.labels[of_pool], guessed.labels[rows[of_pool] - 512])
    assert torch.equal(found.labels[~of_pool], digits[0].labels[rows[~of_pool]])


def vector(parameters):
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


KINDS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
}
GROUP_KEYS = ("betas", "eps", "weight_decay", "momentum", "alpha", "centered", "rho")


def plain_epoch(state, config, epoch, rates):
    """The loop as a textbook has it, each parameter on its own."""
    built = state.network.train()
    copies = [nn.Parameter(part.detach().clone()) for part in built.parameters()]
    group = state.optimizer.param_groups[0]
    options = {k: group[k] for k in GROUP_KEYS if k in group}
    decaying, exempt = [], []
    for (name, _), copy in zip(built.named_parameters(), copies, strict=True):
        kind = "norm" if "batchnorm" in name else name.split(".")[-1]
        (exempt if kind in config.optimizer.no_decay else decaying).append(copy)
    groups = [{"params": decaying}, {"params": exempt, "weight_decay": 0.0}]
    groups = groups if exempt else groups[:1]
    optimizer = KINDS[config.optimizer.name](groups, lr=1.0, **options)
    losses = []
    for step, rate in enumerate(rates):
        part = slice(64 * step, 64 * step + 64)
        named = dict(zip(dict(built.named_parameters()), copies, strict=True))
        logits = torch.func.functional_call(built, named, epoch.images[part].float())
        loss = functional.cross_entropy(logits, epoch.labels[part])
        optimizer.zero_grad()
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        losses.append(loss.detach() * len(epoch.labels[part]))
    return sum(losses) / len(epoch.labels), vector(copies)


def new_state(config):
    return TrainState.new(config, 0, STATISTICS, torch.device("cpu"))


def run(config, state, epoch, rates, clip_norm=None):
    """Loss, and weights after `run_epoch`."""
    loss = loop.run_epoch(
        state,
        optim.make_loss(config),
        [epoch],
        config.batch_size,
        rates,
        [inputs.stream(0, "dropout", 0)],
        clip_norm,
    )
    return loss, vector(state.network.parameters())


RATES = [1e-2 / (1 + step) for step in range(8)]


def rates_of(optimizer):
    """Rates that move the weights as far with each optimizer: Adadelta's own is 1."""
    return [100 * rate for rate in RATES] if optimizer.name == "adadelta" else RATES


@pytest.mark.parametrize(
    "optimizer",
    [Adam(), AdamW(), Sgd(momentum=0.9), RmsProp(eps=1e-3, centered=True), Adadelta()],
    ids=lambda o: o.name,
)
def test_run_epoch_equals_a_plain_loop(digits, optimizer):
    rates = rates_of(optimizer)
    model = tuple(layer for layer in small.LAYERS if not isinstance(layer, Dropout))
    config = small.tiny(optimizer=optimizer, model=model)
    epoch = epoch_of(digits, config)
    epoch = Images(epoch.images[:500], epoch.labels[:500])  # the last batch is short
    loss, weights = run(config, new_state(config), epoch, rates)
    expected_loss, expected = plain_epoch(new_state(config), config, epoch, rates)
    assert loss.item() == pytest.approx(expected_loss.item(), rel=1e-5)
    assert (weights - expected).abs().max() < 1e-5
    _, other = plain_epoch(new_state(config), config, epoch, rates[::-1])
    assert (weights - other).abs().max() > 1e-3


@pytest.mark.parametrize("kinds", [(), ("bias",), ("norm",), ("bias", "norm")], ids=str)
@pytest.mark.parametrize(
    "optimizer",
    [Adam(), AdamW(), Sgd(momentum=0.9), RmsProp(eps=1e-3), Adadelta()],
    ids=lambda o: o.name,
)
def test_weight_decay_leaves_out_what_real_parameter_groups_leave_out(digits, optimizer, kinds):
    rates = rates_of(optimizer)
    model = tuple(layer for layer in small.LAYERS if not isinstance(layer, Dropout))
    chosen = type(optimizer)(**{**optimizer.model_dump(), "weight_decay": 0.5, "no_decay": kinds})
    config = small.tiny(optimizer=chosen, model=model)
    epoch = epoch_of(digits, config)
    _, weights = run(config, new_state(config), epoch, rates)
    _, expected = plain_epoch(new_state(config), config, epoch, rates)
    assert (weights - expected).abs().max() < 1e-5
    without = chosen.model_copy(update={"no_decay": () if kinds else ("bias",)})
    _, other = plain_epoch(
        new_state(config), config.model_copy(update={"optimizer": without}), epoch, RATES
    )
    assert (weights - other).abs().max() > 1e-4


def test_run_epoch_gives_the_same_bits_each_time_and_others_with_another_dropout_stream(digits):
    config = small.tiny()
    epoch = epoch_of(digits, config)
    hashes = []
    for seed in (0, 0, 1):
        state = new_state(config)
        generator = inputs.stream(seed, "dropout", 0)
        loop.run_epoch(state, optim.make_loss(config), [epoch], 64, RATES, [generator])
        hashes.append(hash_weights(state.network))
    assert hashes[0] == hashes[1] != hashes[2]


def test_dropout_draws_by_itself_after_an_epoch(digits):
    config = small.tiny()
    state = new_state(config)
    run(config, state, epoch_of(digits, config), RATES)
    images = digits[0].images.float()  # more than a batch
    assert not torch.equal(state.network(images), state.network(images))


def test_bfloat16_learns_nearly_the_same(digits):
    """Eight significant bits: the loss is that of float32 to about 1 %, the weights are not."""
    config, epoch = small.tiny(), epoch_of(digits, small.tiny())
    exact, weights = run(config, new_state(config), epoch, RATES)
    config = small.tiny(precision="bfloat16")
    found, others = run(config, new_state(config), epoch, RATES)
    assert found.item() == pytest.approx(exact.item(), rel=0.02)
    assert 1e-4 < (others - weights).norm() / weights.norm() < 0.1


def test_run_epoch_refuses_another_number_of_rates(digits):
    config = small.tiny()
    with pytest.raises(ValueError, match="zip"):
        run(config, new_state(config), epoch_of(digits, config), RATES[1:])


def change_after_one_step(digits, clip_norm):
    config = small.tiny(optimizer=Sgd(), batch_size=512)
    state = new_state(config)
    before = vector(state.network.parameters())
    _, after = run(config, state, epoch_of(digits, config), [1.0], clip_norm)
    return (after - before).norm().item()


def test_clip_norm_bounds_the_gradient(digits):
    assert change_after_one_step(digits, 1e-2) == pytest.approx(1e-2, rel=1e-3)
    free = change_after_one_step(digits, None)
    assert free > 0.1
    assert change_after_one_step(digits, 1e3) == pytest.approx(free)


@pytest.mark.parametrize("networks", [1, 3])
def test_epoch_asks_no_value_of_the_device(digits, networks):
    """On torch's meta device no value can be read: a GPU would never be waited for."""
    config = small.tiny(
        augment=Augment(rotate_deg=10),
        optimizer=Sgd(momentum=0.9),
        pool="test",
        phases=small.phases(1, 1, augment=True, pseudo_per_batch=16),
        model=tuple(layer for layer in small.LAYERS if not isinstance(layer, Dropout)),
    )
    meta = torch.device("meta")
    states = [TrainState.new(config, seed, STATISTICS, meta) for seed in range(networks)]
    images = [Images(split.images.to(meta), split.labels.to(meta)) for split in digits]
    epochs = [inputs.assemble_epoch(*images, config, config.phases[1], 0, 0) for _ in states]
    whole = stacking.join(config, states)
    whole.optimizer.param_groups[0]["fused"] = False  # the fused one has no meta kernel
    loss = loop.run_epoch(
        whole,
        optim.make_loss(config),
        epochs,
        config.batch_size,
        [1e-3] * -(-len(epochs[0]) // config.batch_size),
        [inputs.stream(seed, "dropout", 0) for seed in range(networks)],
        clip_norm=1.0,
    )
    assert (loss.device, loss.shape) == (meta, (networks,))
    with pytest.raises(RuntimeError, match="meta"):
        loss[0].item()
