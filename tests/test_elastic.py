"""Elastic displacement against scipy's splines, pixel by pixel."""

import numpy as np
import pytest
import small
import torch
from scipy.interpolate import BSpline
from test_augment import ALL, draws, generator, sample

from mnistladder.config.spec import Augment
from mnistladder.data import datasets
from mnistladder.engine import augment
from mnistladder.engine.augment import Warp
from mnistladder.engine.elastic import Bends
from mnistladder.engine.inputs import assemble_epoch
from mnistladder.engine.tensors import Images

BENT = ALL.model_copy(update={"elastic_px": 3.0})
CENTRE = 13.5


@pytest.fixture(scope="module")
def images(digits_dir):
    """Eight digits, bytes."""
    return torch.from_numpy(datasets.read_folder(digits_dir, "").test.images[:8].copy())[:, None]


def identity(count):
    return torch.eye(2, 3).expand(count, 2, 3)


def scipys_field(points, size):
    """The displacement in pixels of each pixel, 28 x 28 x 2 in (x, y), from points 2 x size^2."""
    pixels = (np.arange(28) + 0.5) * (size - 3) / 28  # a cell of the grid has the length 1
    knots = np.arange(-3, size + 1)
    field = BSpline(knots, points.reshape(2, size, size).transpose(1, 2, 0), 3)(pixels)
    field = BSpline(knots, field.transpose(1, 0, 2), 3)(pixels)
    return field.transpose(1, 0, 2)


@pytest.mark.parametrize("size", [4, 6, 11])
def test_field_is_that_of_scipys_cubic_splines(size):
    bends = Bends.draw(Augment(elastic_px=2, elastic_grid=size), 5, generator())
    found = (bends.places(identity(5)) - bends.part(slice(5)).places(0 * identity(5))).numpy()
    axis = (2 * np.arange(28) + 1) / 28 - 1
    assert found[0, :, :, 0] == pytest.approx(np.tile(axis, (28, 1)), abs=1e-5)
    assert found[0, :, :, 1] == pytest.approx(np.tile(axis, (28, 1)).T, abs=1e-5)
    moved = 14 * bends.places(0 * identity(5)).numpy()
    for field, points in zip(moved, 14 * bends.points.double().numpy(), strict=True):
        assert field == pytest.approx(scipys_field(points, size), abs=1e-5)
        assert field != pytest.approx(scipys_field(points[::-1], size), abs=0.1)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_warp_with_a_bend_equals_a_slow_reference(images, interpolation):
    ranges = BENT.model_copy(update={"interpolation": interpolation})
    drawn = Warp.draw(ranges, 8, generator())
    found = drawn.apply(images)[:, 0].numpy()
    plans = zip(images[:, 0].double().numpy(), drawn.bends.points.double().numpy(), strict=True)
    expected = np.zeros((8, 28, 28))
    for index, ((image, points), *plan) in enumerate(zip(plans, *draws(ranges, 8), strict=True)):
        expected[index] = bent(image, 14 * points, *plan, interpolation)
    wrong = np.abs(found - expected) > 0.05
    assert wrong.mean() < (1e-3 if interpolation == "nearest" else 1e-9)  # ties may round apart
    plain = augment.warp(images, drawn.maps, interpolation)[:, 0].numpy()
    assert np.abs(found - plain).mean() > 1


def bent(image, points, angle, shear, zooms, shift, interpolation):
    """The affine map of Keras 1 about the image centre, and then the bend of the place."""
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zooms)
    field = scipys_field(points, 6)
    result = np.empty((28, 28))
    for row, column in np.ndindex(28, 28):
        place = matrix @ (row - CENTRE, column - CENTRE) + CENTRE + shift
        place += field[row, column, ::-1]
        result[row, column] = sample(image, np.clip(place, 0, 27), interpolation)
    return result


def test_no_pixel_moves_further_than_the_range_and_most_move_a_quarter_of_it():
    bends = Bends.draw(Augment(elastic_px=2), 2_000, generator())
    moved = 14 * bends.places(0 * identity(2_000))
    assert moved.abs().max() < 2
    assert moved.std().item() == pytest.approx(0.28 * 2, rel=0.02)
    assert abs(moved.mean().item()) < 0.01
    assert torch.corrcoef(moved.flatten(0, 2).T)[0, 1].abs() < 0.01  # the axes are independent


def test_bends_are_drawn_after_the_maps_which_stay_the_same():
    plain, with_bend = (Warp.draw(ranges, 9, generator()) for ranges in (ALL, BENT))
    assert torch.equal(plain.maps, with_bend.maps)
    assert plain.bends is None
    assert torch.equal(with_bend.bends.points, Warp.draw(BENT, 9, generator()).bends.points)
    assert not torch.equal(with_bend.bends.points, Warp.draw(BENT, 9, generator(1)).bends.points)


def test_bent_images_can_be_taken_in_parts(images):
    drawn = Warp.draw(BENT, 8, generator())
    whole = drawn.apply(images)
    places = torch.tensor([5, 0])
    for part in (slice(3, 7), places):
        assert torch.allclose(drawn.part(part).apply(images[part]), whole[part], atol=1e-3)
    assert not torch.allclose(drawn.part(slice(0, 4)).apply(images[3:7]), whole[3:7], atol=1)


def test_epoch_is_bent_in_the_phases_that_augment(images):
    config = small.tiny(augment=BENT, phases=small.phases(1, 1, augment=True))
    train = Images(images, torch.zeros(len(images), dtype=torch.int64))
    epochs = [assemble_epoch(train, None, config, phase, 0, 0)[:] for phase in config.phases]
    assert torch.equal(epochs[0].images.sort(0).values, images.sort(0).values)
    assert not torch.equal(epochs[1].images, epochs[0].images.float())
