"""What each epoch of a plan does."""

import math

import pytest
import small

from mnistladder.config import schedule
from mnistladder.config.loading import load_rung
from mnistladder.config.spec import Phase, Ramp


def test_every_epoch_of_the_plan_is_told():
    config = small.tiny(phases=small.phases(2, 1, pseudo_per_batch=16, augment=True), pool="test")
    first, second, third = schedule.epochs(config)
    assert (first.epoch, set(first.lr), first.augment, first.pseudo_share) == (1, {1e-2}, False, 0)
    assert second.epoch == 2
    assert (third.epoch, third.augment, third.pseudo_share) == (3, True, 0.25)


def test_article_plan_of_rung_11_falls_in_seven_steps():
    epochs = schedule.epochs(load_rung("model11_annealing").config)
    rates = [epoch.lr[0] for epoch in epochs]
    assert rates == [1e-4] + [1e-2] * 7 + [1e-3] * 5 + [1e-4] * 5 + [1e-5] * 5 + [1e-7] * 5
    assert [epoch.augment for epoch in epochs] == [False] * 4 + [True] * 24


def ramp(shape, per, epochs=3):
    rate = Ramp(**{"from": 1e-1}, to=1e-3, shape=shape, per=per)
    return Phase(epochs=epochs, lr=rate)


def test_number_is_the_rate_of_every_step():
    assert schedule.learning_rates(Phase(epochs=3, lr=0.5), 2, 4) == [0.5] * 4


FORMULA = {
    "linear": lambda t: 0.1 + (0.001 - 0.1) * t,
    "cosine": lambda t: 0.001 + (0.1 - 0.001) * (1 + math.cos(math.pi * t)) / 2,
    "exponential": lambda t: 0.1 * 0.01**t,
}


@pytest.mark.parametrize("shape", FORMULA)
def test_ramp_by_step_follows_its_formula_from_first_to_last_value(shape):
    found = [
        r for epoch in range(3) for r in schedule.learning_rates(ramp(shape, "step"), epoch, 4)
    ]
    assert found == pytest.approx([FORMULA[shape](step / 11) for step in range(12)])
    assert (found[0], found[-1]) == (pytest.approx(1e-1), pytest.approx(1e-3))


@pytest.mark.parametrize("shape", FORMULA)
def test_ramp_by_epoch_is_constant_within_an_epoch(shape):
    found = [schedule.learning_rates(ramp(shape, "epoch"), epoch, 4) for epoch in range(3)]
    assert all(len(rates) == 4 and len(set(rates)) == 1 for rates in found)
    assert [rates[0] for rates in found] == pytest.approx([FORMULA[shape](t) for t in (0, 0.5, 1)])


@pytest.mark.parametrize("per", ["epoch", "step"])
def test_ramp_of_one_step_starts_at_its_first_value(per):
    assert schedule.learning_rates(ramp("cosine", per, epochs=1), 0, 1) == [pytest.approx(0.1)]


@pytest.mark.parametrize(("per", "epochs", "steps"), [("epoch", 2, 1), ("step", 1, 2)])
def test_ramp_of_two_points_has_both_its_values(per, epochs, steps):
    phase = ramp("linear", per, epochs)
    rates = [r for epoch in range(epochs) for r in schedule.learning_rates(phase, epoch, steps)]
    assert rates == pytest.approx([1e-1, 1e-3])


def test_planned_epoch_has_a_curve_where_the_rate_changes_at_every_step():
    plan = [ramp("linear", "step", 1), ramp("linear", "epoch", 1), Phase(epochs=1, lr=0.5)]
    by_step, by_epoch, constant = schedule.epochs(small.tiny(phases=tuple(plan)))
    assert len(by_step.lr) == schedule.STEPS >= 16
    assert (by_step.lr[0], by_step.lr[-1]) == pytest.approx((1e-1, 1e-3))
    assert by_epoch.lr == pytest.approx((1e-1, 1e-1))
    assert constant.lr == (0.5, 0.5)


def test_rate_in_words():
    assert schedule.rate_text(Phase(epochs=1, lr=1e-3)) == "0.001"
    assert schedule.rate_text(ramp("cosine", "step")) == "0.1 to 0.001, cosine by step"
