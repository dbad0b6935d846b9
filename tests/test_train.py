"""The loss, the rates, the order and the loop, each against a plain formula."""

import math

import pytest
import small
import torch
from torch import nn
from torch.nn import functional

from mnistladder import data, network, train
from mnistladder.config import Adam, AdamW, Augment, Phase, Ramp, Sgd
from mnistladder.train import Images

STATISTICS = (33.3, 78.6)
PSEUDO = small.tiny(pool="test", phases=small.phases(1, 1, pseudo_per_batch=16))


@pytest.fixture(scope="module")
def digits(digits_dir):
    """The subset's training and test images on the CPU."""
    found = data.read_folder(digits_dir, "digits")
    return [
        Images(torch.from_numpy(s.images.copy())[:, None], torch.from_numpy(s.labels.copy()).long())
        for s in (found.train, found.test)
    ]


def test_clipped_loss_is_that_of_clipped_probabilities():
    torch.manual_seed(0)
    logits, labels = torch.randn(50, 10) * 20, torch.arange(50) % 10
    shares = (logits.double().exp() / logits.double().exp().sum(1, keepdim=True)).clip(
        1e-7, 1 - 1e-7
    )
    expected = -shares[torch.arange(50), labels].log().mean().item()
    assert train.clipped_cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-4)
    stable = functional.cross_entropy(logits, labels).item()
    assert abs(stable - expected) > 0.1  # so the clip was at work


def test_saturated_wrong_example_has_no_gradient_in_the_clipped_loss_only():
    gradients = []
    for loss in (train.clipped_cross_entropy, functional.cross_entropy):
        logits = torch.tensor([[200.0] + [0.0] * 9], requires_grad=True)
        loss(logits, torch.tensor([3])).backward()
        gradients.append(logits.grad.abs().sum().item())
    assert gradients == [0, pytest.approx(2)]


def test_saturated_wrong_example_costs_minus_log_of_epsilon():
    loss = train.clipped_cross_entropy(torch.tensor([[200.0] + [0.0] * 9]), torch.tensor([3]))
    assert loss.item() == pytest.approx(-math.log(1e-7), rel=1e-6)


def test_make_loss_follows_the_config():
    logits, labels = torch.randn(4, 10), torch.tensor([1, 2, 3, 4])
    smooth = train.make_loss(small.tiny(label_smoothing=0.2))(logits, labels)
    shares = logits.log_softmax(1)
    expected = -0.8 * shares[range(4), labels].mean() - 0.2 * shares.mean()
    assert smooth.item() == pytest.approx(expected.item(), rel=1e-5)
    assert train.make_loss(small.tiny(loss="clipped_cross_entropy")) is train.clipped_cross_entropy


def ramp(shape, per, epochs=3):
    rate = Ramp(**{"from": 1e-1}, to=1e-3, shape=shape, per=per)
    return Phase(epochs=epochs, lr=rate)


def test_number_is_the_rate_of_every_step():
    assert train.learning_rates(Phase(epochs=3, lr=0.5), 2, 4) == [0.5] * 4


FORMULA = {
    "linear": lambda t: 0.1 + (0.001 - 0.1) * t,
    "cosine": lambda t: 0.001 + (0.1 - 0.001) * (1 + math.cos(math.pi * t)) / 2,
    "exponential": lambda t: 0.1 * 0.01**t,
}


@pytest.mark.parametrize("shape", FORMULA)
def test_ramp_by_step_follows_its_formula_from_first_to_last_value(shape):
    found = [r for epoch in range(3) for r in train.learning_rates(ramp(shape, "step"), epoch, 4)]
    assert found == pytest.approx([FORMULA[shape](step / 11) for step in range(12)])
    assert (found[0], found[-1]) == (pytest.approx(1e-1), pytest.approx(1e-3))


@pytest.mark.parametrize("shape", FORMULA)
def test_ramp_by_epoch_is_constant_within_an_epoch(shape):
    found = [train.learning_rates(ramp(shape, "epoch"), epoch, 4) for epoch in range(3)]
    assert all(len(rates) == 4 and len(set(rates)) == 1 for rates in found)
    assert [rates[0] for rates in found] == pytest.approx([FORMULA[shape](t) for t in (0, 0.5, 1)])


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_ramp_of_one_step_starts_at_its_first_value(per):
    assert train.learning_rates(ramp("cosine", per, epochs=1), 0, 1) == [pytest.approx(0.1)]


@pytest.mark.parametrize(
    ("count", "real", "steps"),
    [(512, 64, 8), (513, 64, 8), (514, 64, 9), (63, 64, 1), (2, 64, 1), (60_000, 48, 1250),
     (7, 2, 3), (8, 2, 4)],
)  # fmt: skip
def test_last_batch_is_short_but_never_a_single_image(count, real, steps):
    assert train.steps_per_epoch(count, real) == steps


def test_batches_of_one_real_image_are_as_many_as_images():
    assert train.steps_per_epoch(10, 1) == 10


def test_one_real_image_in_each_batch_is_mixed():
    config = PSEUDO.model_copy(update={"batch_size": 17})
    assert len(train.mixed_order(20, 50, config, config.phases[1], 0, 0)) == 20 * 17


def order(count=512, pool=256, config=PSEUDO, phase=1, seed=0, epoch=0):
    return train.mixed_order(count, pool, config, config.phases[phase], seed, epoch)


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
    assert len(batches) == train.steps_per_epoch(count, 48)


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
    return train.assemble_epoch(*digits, config, config.phases[phase], seed, epoch)


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


def plain_epoch(built, optimizer, epoch, rates):
    """The loop as a textbook has it."""
    built.train()
    losses = []
    for step, rate in enumerate(rates):
        part = slice(64 * step, 64 * step + 64)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = functional.cross_entropy(built(epoch.images[part].float()), epoch.labels[part])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach() * len(epoch.labels[part]))
    return sum(losses) / len(epoch.labels)


def after(loop, config, epoch, rates):
    """Loss and weights after the loop, from one and the same beginning."""
    built = network.build(config.model, 0, STATISTICS)
    torch.manual_seed(1)
    loss = loop(built, train.make_optimizer(config, built), epoch, rates)
    return loss, built.state_dict()


@pytest.mark.parametrize("optimizer", [Adam(), AdamW(), Sgd(momentum=0.9)], ids=lambda o: o.name)
def test_run_epoch_equals_a_plain_loop_bit_for_bit(digits, optimizer):
    config = small.tiny(optimizer=optimizer)
    epoch, rates = epoch_of(digits, config), [1e-2 / (1 + step) for step in range(8)]
    loop = lambda b, o, e, r: train.run_epoch(b, o, train.make_loss(config), e, 64, r)  # noqa: E731
    epoch = Images(epoch.images[:500], epoch.labels[:500])  # the last batch is short
    loss, weights = after(loop, config, epoch, rates)
    expected_loss, expected = after(plain_epoch, config, epoch, rates)
    assert torch.equal(loss, expected_loss)
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    _, other = after(plain_epoch, config, epoch, rates[::-1])
    assert not all(torch.equal(weights[name], other[name]) for name in expected)


def test_run_epoch_refuses_another_number_of_rates(digits):
    config = small.tiny()
    with pytest.raises(ValueError, match="zip"):
        after(
            lambda b, o, e, r: train.run_epoch(b, o, train.make_loss(config), e, 64, r),
            config, epoch_of(digits, config), [1e-2] * 7,
        )  # fmt: skip


def change_after_one_step(digits, clip_norm):
    config = small.tiny(optimizer=Sgd(), batch_size=512)
    built = network.build(config.model, 0, STATISTICS)
    before = nn.utils.parameters_to_vector(built.parameters()).detach()
    torch.manual_seed(0)
    train.run_epoch(
        built, train.make_optimizer(config, built), train.make_loss(config),
        epoch_of(digits, config), 512, [1.0], clip_norm,
    )  # fmt: skip
    return (nn.utils.parameters_to_vector(built.parameters()) - before).norm().item()


def test_clip_norm_bounds_the_gradient(digits):
    assert change_after_one_step(digits, 1e-2) == pytest.approx(1e-2, rel=1e-3)
    free = change_after_one_step(digits, None)
    assert free > 0.1
    assert change_after_one_step(digits, 1e3) == pytest.approx(free)


@pytest.mark.parametrize(
    ("chosen", "kind", "constants"),
    [
        (Adam(), torch.optim.Adam, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0}),
        (AdamW(), torch.optim.AdamW, {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01}),
        (Adam(beta1=0.5, beta2=0.6, eps=0.1, weight_decay=0.2), torch.optim.Adam,
         {"betas": (0.5, 0.6), "eps": 0.1, "weight_decay": 0.2, "amsgrad": False}),
        (Sgd(), torch.optim.SGD, {"momentum": 0, "nesterov": False, "weight_decay": 0}),
        (Sgd(momentum=0.9, nesterov=True, weight_decay=0.1), torch.optim.SGD,
         {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "dampening": 0}),
    ],
)  # fmt: skip
def test_optimizer_has_the_constants_of_the_config(chosen, kind, constants):
    optimizer = train.make_optimizer(small.tiny(optimizer=chosen), nn.Linear(3, 2))
    [group] = optimizer.param_groups
    assert type(optimizer) is kind
    assert {name: group[name] for name in constants} == constants
    assert len(group["params"]) == 2
