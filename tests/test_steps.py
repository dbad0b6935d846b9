"""Steps of a ladder whose p values can be had by hand: one seed each, so that McNemar's is exact.

If only one of two networks gets k images wrong, p = 2 / 2^k.
"""

import numpy as np
import pytest
from record_data import result, wrong_result
from scipy import stats

from mnistladder.config.loading import shipped_names
from mnistladder.report import statistics, tables
from mnistladder.report.groups import group, identity
from mnistladder.report.statistics import Comparison
from mnistladder.report.steps import ControlledStep, Step, make_steps, p_after_holm, wrong_masks

RUNGS = shipped_names()[:4]
VARIANT = "model01_linear_stable"


def ladder():
    """One seed of four rungs: by themselves the steps have p of 2^-9, 2^-5 and 1."""
    wrong = ([*range(10)], [], [*range(20, 26)], [*range(30, 36)])
    return [wrong_result(rung, 0, images) for rung, images in zip(RUNGS, wrong, strict=True)]


def test_each_rung_is_compared_with_the_one_before_and_p_is_holms_over_the_ladder():
    steps = make_steps(group(ladder()))
    assert [key.rung for key in steps] == RUNGS[1:]
    assert [step.rung for step in steps.values()] == RUNGS[:3]
    assert [step.comparison.difference for step in steps.values()] == [-10, 6, 0]
    assert [step.comparison.p for step in steps.values()] == pytest.approx([2**-9, 2**-5, 1])
    assert [step.p_holm for step in steps.values()] == pytest.approx([3 * 2**-9, 2 * 2**-5, 1])
    assert [step.p for step in steps.values()] == [step.p_holm for step in steps.values()]


def test_a_step_that_changes_more_has_its_control_beside_it():
    """Rung 2 changes the loss, too; from rung 1 to the variant only the normalisation is new."""
    control = wrong_result("model02_normalized_clipped", 0, [0, 1, 2, 3])
    steps = make_steps(group([*ladder()[:2], control]))
    step = next(step for key, step in steps.items() if key.rung == RUNGS[1])
    assert (step.control.before, step.control.after) == (RUNGS[0], control.rung)
    assert step.control.comparison.difference == -6
    assert step.control.comparison.p == pytest.approx(2**-5)
    assert not step.control.is_significant  # one seed
    for lacking in ([], [control.listed()]):
        [first] = make_steps(group([*ladder()[:2], *lacking])).values()
        assert first.control is None


def test_a_rung_without_results_is_skipped():
    first, _, third, _ = ladder()
    [(key, step)] = make_steps(group([first, third])).items()
    assert (step.rung, key.rung, step.comparison.difference) == (RUNGS[0], RUNGS[2], -4)


def test_a_variant_is_compared_with_its_rung_outside_the_ladder():
    variant = wrong_result(VARIANT, 0, [])
    steps = make_steps(group([*ladder(), variant]))
    own = steps.pop(identity(variant))
    assert (own.rung, own.p_holm, own.comparison.difference) == (RUNGS[0], None, -10)
    assert own.p == own.comparison.p == pytest.approx(2**-9)
    assert steps == make_steps(group(ladder()))
    assert make_steps(group([variant])) == {}


def test_each_data_set_has_a_ladder_of_its_own():
    other = {"data": {"name": "raw", "sha256": "z"}}
    before, after = (wrong_result(RUNGS[i], 0, range(i * 6), **other) for i in (0, 1))
    steps = make_steps(group([*ladder(), before, after]))
    assert len(steps) == 4
    assert steps[identity(after)].p_holm == pytest.approx(2**-5)  # one step: Holm changes nothing


@pytest.mark.parametrize("listed", [{0}, {1}, {0, 1}], ids=str)
def test_without_wrong_images_there_is_no_step(listed):
    records = [r.listed() if i in listed else r for i, r in enumerate(ladder()[:2])]
    assert make_steps(group(records)) == {}


def test_p_after_holm_is_that_of_neighbours_in_either_order():
    results = ladder()
    groups, (first, second, third, fourth) = group(results), map(identity, results)
    for one, other, p in [(first, second, 3 * 2**-9), (second, third, 2 * 2**-5)]:
        assert p_after_holm(groups, one, other) == pytest.approx(p)
        assert p_after_holm(groups, other, one) == pytest.approx(p)
    for one, other in [(first, third), (second, fourth), (first, fourth), (first, first)]:
        assert p_after_holm(groups, one, other) is None
        assert p_after_holm(groups, other, one) is None


def test_p_after_holm_is_not_that_of_an_older_row():
    old = wrong_result(RUNGS[0], 0, [1], engine=1)
    results = [*ladder(), old]
    assert p_after_holm(group(results), identity(old), identity(results[1])) is None


def step(p, p_holm=None, test="Welch"):
    return Step("a", Comparison(1.0, (0.0, 2.0), {test: p}, None), p_holm)


@pytest.mark.parametrize(
    ("one", "is_significant"),
    [
        (step(0.01), True),
        (step(0.01, 0.04), True),
        (step(0.01, 0.06), False),  # Holm's counts
        (step(0.06), False),
        (step(1 - statistics.LEVEL), False),  # p must be below the level
        (step(0.01, test="McNemar"), False),  # one seed says nothing of the rungs
    ],
)
def test_a_step_is_significant_if_its_p_is_small_and_speaks_of_seeds(one, is_significant):
    assert one.is_significant == is_significant
    if one.p_holm is None:
        assert ControlledStep("a", "b", one.comparison).is_significant == is_significant


def test_one_seed_shows_no_step():
    [one] = make_steps(group(ladder()[:2])).values()
    assert one.p == pytest.approx(2**-9)
    assert not one.is_significant
    assert tables.step_text(one).startswith("†~ ")
    assert tables.step_text(one).endswith("1 seed")


def test_step_can_be_had_from_the_wrong_images_by_scipy():
    generator = np.random.default_rng(0)
    results = [
        wrong_result(rung, seed, np.flatnonzero(generator.random(10_000) < rate).tolist())
        for rung, rate in zip(RUNGS, (0.02, 0.01), strict=False)
        for seed in range(4)
    ]
    [one] = make_steps(group(results)).values()
    before, after = ([r.errors for r in results if r.rung == rung] for rung in RUNGS[:2])
    welch = stats.ttest_ind(after, before, equal_var=False)
    assert one.comparison.difference == pytest.approx(np.mean(after) - np.mean(before))
    assert one.comparison.tests["Welch"] == pytest.approx(welch.pvalue)
    assert one.comparison.interval == pytest.approx(tuple(welch.confidence_interval()))


def test_masks_are_over_the_images_that_all_results_score():
    late = wrong_result("a", 0, [5000, 5001], scored=[5000, 10_000])
    early = wrong_result("b", 1, [4999, 5002, 8000], scored=[1000, 5004])
    [[a], [b, c]] = wrong_masks([late], [wrong_result("b", 0, [1, 2, 5001]), early])
    assert a.tolist() == [True, True, False, False]  # of images 5000 to 5003
    assert b.tolist() == [False, True, False, False]
    assert c.tolist() == [False, False, True, False]


@pytest.mark.parametrize("end", [5000, 4000])
def test_results_without_a_common_image_have_no_masks(end):
    late = wrong_result("a", 0, [5000], scored=[5000, 10_000])
    assert wrong_masks([late], [wrong_result("b", 0, [1], scored=[0, end])]) == [[], []]


def test_an_older_record_scores_all_images():
    [[mask], _] = wrong_masks([result(scored=None, wrong_images=[9_999])], [result()])
    assert (len(mask), mask.nonzero()[0].tolist()) == (10_000, [9_999])
