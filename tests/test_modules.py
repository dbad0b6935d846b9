"""Dropout's masks have the distribution they claim, and come from the given generator alone."""

import pytest
import torch
from torch import nn

from mnistladder.model.modules import Dropout, DropoutMasks


def masks(p=0.3, shape=(4, 6, 6), batches=3, batch_size=50, seed=0):
    source = Dropout(p, shape).masks(batch_size, [torch.Generator().manual_seed(seed)])
    return torch.stack([next(source) for _ in range(batches)])


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("shape", [(7, 14, 14), (100,)])
def test_masks_zero_values_with_probability_p_and_keep_the_mean(p, shape):
    found = masks(p, shape, batches=40)
    count = found.numel()
    assert found.shape == (40, 50, *shape)
    spread = (p * (1 - p) / count) ** 0.5
    assert (found == 0).double().mean().item() == pytest.approx(p, abs=5 * spread + 2**-17)
    values = found.unique().tolist()
    assert values[-1] == pytest.approx(1 / (1 - p), rel=2**-16 / (1 - p))
    assert len(values) == (1 if p == 0 else 2)
    assert found.double().mean().item() == pytest.approx(1, abs=5 * spread / (1 - p) + 1e-9)


def test_masks_of_batches_images_and_places_differ_and_do_not_correlate():
    found = (masks(0.5, (16,), batches=400) > 0).double() - 0.5
    for rolled in (found.roll(1, 0), found.roll(1, 1), found.roll(1, 2)):
        correlation = 4 * (found * rolled).mean().item()
        assert abs(correlation) < 5 / found.numel() ** 0.5


def test_masks_follow_from_the_generator_alone():
    torch.manual_seed(1)
    first = masks()
    torch.manual_seed(2)
    assert torch.equal(masks(), first)
    assert not torch.equal(masks(seed=1), first)


def test_masks_of_feature_maps_lie_channels_last():
    assert masks()[0].is_contiguous(memory_format=torch.channels_last)


def test_more_batches_than_are_drawn_at_a_time_go_on(monkeypatch):
    whole = masks(batches=6)
    monkeypatch.setattr(Dropout, "AHEAD", 2 * 50 * 4 * 6 * 6)
    pieces = masks(batches=6)
    assert torch.equal(pieces[:2], whole[:2])  # the words are drawn in the same order
    assert len({batch.sum().item() for batch in pieces}) == 6


def test_probability_just_under_one_keeps_one_word_in_65536():
    found = masks(1 - 1e-9, (1000,), batches=200)
    kept = (found > 0).sum().item()
    assert found.max() == 2**16
    assert kept == pytest.approx(found.numel() / 2**16, abs=5 * (found.numel() / 2**16) ** 0.5)


def test_dropout_multiplies_by_the_batchs_mask_in_training_only():
    dropout, values = Dropout(0.5, (3,)), torch.rand(2, 3)
    dropout.mask = torch.tensor([[0.0, 2, 2], [2, 0, 0], [2, 2, 2]])  # the last batch is short
    assert torch.equal(dropout(values), values * dropout.mask[:2])
    assert torch.equal(dropout.eval()(values), values)


def test_dropout_without_a_mask_is_that_of_torch():
    values = torch.rand(50, 3)
    found = []
    for dropout in (Dropout(0.5, (3,)), nn.Dropout(0.5)):
        torch.manual_seed(0)
        found.append(dropout(values))
    assert torch.equal(*found)


def test_mask_is_no_part_of_what_is_stored():
    dropout = Dropout(0.5, (3,))
    dropout.mask = torch.ones(2, 3)
    assert dropout.state_dict() == {}


def test_masks_last_as_long_as_their_context():
    dropout, values = Dropout(0.5, (100,)), torch.ones(20, 100)
    masks = DropoutMasks(dropout, 10, [torch.Generator().manual_seed(0)])
    with masks:
        masks.set(masks.draw())
        first, again = dropout(values[:10]), dropout(values[:10])
        masks.set(masks.draw())
        other = dropout(values[:10])
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(dropout(values), dropout(values))  # more images than the masks had
