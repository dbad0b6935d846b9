"""Probabilities, and nothing else changed by asking for them."""

import math

import pytest
import small
import torch

from mnistladder.config.sizes import EVALUATED
from mnistladder.data import datasets
from mnistladder.engine import evaluate
from mnistladder.engine.train_state import hash_weights
from mnistladder.model import network


@pytest.fixture(scope="module")
def images(digits_dir):
    return torch.from_numpy(datasets.read_folder(digits_dir, "").train.images.copy())[:, None]


@pytest.fixture
def built():
    return network.build(small.LAYERS, 0, (33.3, 78.6))


def test_probabilities_are_the_softmax_of_the_network_in_evaluation(built, images):
    found = evaluate.probabilities(built, images[:20])
    assert found.dtype == torch.float32
    assert torch.allclose(found.sum(1), torch.ones(20))
    with torch.no_grad():
        assert torch.equal(found, built.eval()(images[:20].float()).softmax(1))
        assert not torch.equal(found, built.train()(images[:20].float()).softmax(1))


def test_more_images_than_a_batch_give_a_row_each(built, images):
    found = evaluate.probabilities(built, images)
    assert found.shape == (512, 10)
    assert len(images) > EVALUATED
    assert torch.allclose(found[-12:], evaluate.probabilities(built, images[-12:]), atol=1e-6)


def test_evaluation_changes_no_weight_no_buffer_and_no_random_stream(built, images):
    before, state = hash_weights(built), torch.get_rng_state()
    evaluate.probabilities(built.train(), images)
    assert not built.training
    assert hash_weights(built) == before
    assert torch.equal(torch.get_rng_state(), state)
    built.train()(images.float())  # the running means of training would have shown
    assert hash_weights(built) != before


def test_probabilities_carry_no_gradient(built, images):
    assert not evaluate.probabilities(built, images[:4]).requires_grad


def test_score_counts_errors_and_takes_no_probability_below_the_least():
    found = torch.tensor([[0.9, 0.1, 0.0], [0.25, 0.5, 0.25], [1.0, 0.0, 0.0]])
    score = evaluate.score(found, torch.tensor([0, 0, 2]))
    assert score.errors == 2
    expected = -(math.log(0.9) + math.log(0.25) + math.log(1e-7)) / 3
    assert score.loss == pytest.approx(expected, rel=1e-6)
