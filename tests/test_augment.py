"""The affine map against a slow reference, image by image and pixel by pixel."""

import math

import numpy as np
import pytest
import torch

from mnistladder.config.spec import Augment
from mnistladder.data import datasets
from mnistladder.engine import augment
from mnistladder.engine.augment import Warp, draw_maps, warp

ALL = Augment(rotate_deg=10, shear_deg=5.73, zoom=0.1, shift_px=2)
CENTRE = 13.5


@pytest.fixture(scope="module")
def images(digits_dir):
    """Twelve digits, bytes."""
    return torch.from_numpy(datasets.read_folder(digits_dir, "").test.images[:12].copy())[:, None]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draws(ranges, count, seed=0):
    """The numbers that `draw_maps` draws: angle, shear, zooms and shifts of (row, column)."""
    angle, shear, *rest = (
        2 * torch.rand(6, count, generator=generator(seed), dtype=torch.float64) - 1
    ).numpy()
    zooms = 1 + ranges.zoom * np.stack(rest[:2], 1)
    shifts = ranges.shift_px * np.stack(rest[2:], 1)
    return (
        angle * math.radians(ranges.rotate_deg),
        shear * math.radians(ranges.shear_deg),
        zooms,
        shifts,
    )


def reference(image, angle, shear, zooms, shift, interpolation):
    """Rotation x shear x zoom of Keras 1 in (row, column) order, about the image centre."""
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = rotation @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zooms)
    result = np.empty((28, 28))
    for row in range(28):
        for column in range(28):
            place = matrix @ (row - CENTRE, column - CENTRE) + CENTRE + shift
            result[row, column] = sample(image, np.clip(place, 0, 27), interpolation)
    return result


def sample(image, place, interpolation):
    if interpolation == "nearest":
        return image[tuple(np.rint(place).astype(int))]
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, 27)
    (down, right), (r0, c0), (r1, c1) = place - low, low, high
    top = image[r0, c0] * (1 - right) + image[r0, c1] * right
    bottom = image[r1, c0] * (1 - right) + image[r1, c1] * right
    return top * (1 - down) + bottom * down


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_warp_equals_the_slow_reference(images, interpolation):
    found = warp(images, draw_maps(ALL, 12, generator()), interpolation)[:, 0].numpy()
    plans = zip(images[:, 0].double().numpy(), *draws(ALL, 12), strict=True)
    expected = np.stack([reference(*plan, interpolation) for plan in plans])
    wrong = np.abs(found - expected) > 0.05
    assert wrong.mean() < (1e-3 if interpolation == "nearest" else 1e-9)  # ties may round apart
    assert np.abs(found - images[:, 0].numpy()).mean() > 1


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_zero_ranges_give_the_images(images, interpolation):
    found = warp(images, draw_maps(Augment(), 12, generator()), interpolation)
    assert torch.allclose(found, images.float(), atol=0.01)


def test_nearest_gives_pixels_of_the_image_and_bilinear_new_values(images):
    maps = draw_maps(ALL, 12, generator())
    known = set(images.unique().tolist())
    assert set(warp(images, maps, "nearest").unique().tolist()) <= known
    assert not set(warp(images, maps, "bilinear").unique().tolist()) <= known


def blob(row, column):
    """A round spot at a place given from the centre."""
    rows, columns = np.mgrid[:28, :28] - CENTRE
    spot = 255 * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 4)
    return torch.from_numpy(spot).float()[None, None]


def centroid(image):
    weights = image[0, 0].double().numpy()
    rows, columns = np.mgrid[:28, :28] - CENTRE
    return (rows * weights).sum() / weights.sum(), (columns * weights).sum() / weights.sum()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("ranges", "moved"),
    [  # where a spot 6 pixels right of the centre ends up, as (row, column)
        (Augment(rotate_deg=40), lambda a, s, z, d: (6 * math.sin(a), 6 * math.cos(a))),
        (Augment(shear_deg=30), lambda a, s, z, d: (6 * math.tan(s), 6 / math.cos(s))),
        (Augment(zoom=0.3), lambda a, s, z, d: (0, 6 / z[1])),
        (Augment(shift_px=4), lambda a, s, z, d: (-d[0], 6 - d[1])),
    ],
    ids=["rotate", "shear", "zoom", "shift"],
)
def test_spot_moves_the_expected_pixels(ranges, moved, seed):
    [angle], [shear], [zooms], [shift] = draws(ranges, 1, seed)
    found = centroid(warp(blob(0, 6), draw_maps(ranges, 1, generator(seed)), "bilinear"))
    assert found == pytest.approx(moved(angle, shear, zooms, shift), abs=0.1)
    assert math.dist(found, (0, 6)) > 0.1


def test_edge_pixels_are_repeated_outside():
    image = torch.zeros(1, 1, 28, 28)
    image[..., 27] = 200.0
    right = torch.tensor([[[1.0, 0, 2 * 5 / 28], [0, 1, 0]]])  # samples 5 pixels to the right
    found = warp(image, right, "nearest")[0, 0]
    assert (found[:, 22:] == 200).all()
    assert (found[:, :22] == 0).all()


def test_many_images_are_warped_as_each_alone(images):
    many = images.repeat(100, 1, 1, 1)
    maps = draw_maps(ALL, len(many), generator())
    found = warp(many, maps, "bilinear")
    for index in (0, 1023, 1024, len(many) - 1):
        alone = warp(many[index : index + 1], maps[index : index + 1], "bilinear")[0]
        assert torch.allclose(found[index], alone, atol=1e-3)
    assert not torch.allclose(found[0], found[12], atol=1)  # the same digit, another map


def is_uniform(values, low, high):
    """Inside the range, near both ends, with the mean and deviation of a uniform draw."""
    width = high - low
    return (
        low <= values.min() < low + 0.01 * width
        and high - 0.01 * width < values.max() <= high
        and abs(values.mean() - (low + high) / 2) < 0.01 * width
        and abs(values.std() - width / 12**0.5) < 0.01 * width
    )


def test_drawn_ranges_are_uniform():
    maps = draw_maps(Augment(rotate_deg=10), 20_000, generator()).double()
    assert is_uniform(torch.atan2(maps[:, 0, 1], maps[:, 1, 1]).rad2deg(), -10, 10)
    assert not is_uniform(torch.atan2(maps[:, 0, 1], maps[:, 1, 1]).rad2deg(), -9, 9)
    maps = draw_maps(Augment(shear_deg=30), 20_000, generator()).double()
    assert is_uniform((-maps[:, 1, 0]).asin().rad2deg(), -30.0001, 30.0001)
    maps = draw_maps(Augment(zoom=0.1, shift_px=3), 20_000, generator()).double()
    assert all(is_uniform(maps[:, axis, axis], 0.9 - 1e-6, 1.1 + 1e-6) for axis in (0, 1))
    assert all(is_uniform(14 * maps[:, axis, 2], -3.00001, 3.00001) for axis in (0, 1))


def test_axes_are_drawn_on_their_own():
    maps = draw_maps(Augment(zoom=0.1, shift_px=3), 20_000, generator()).double()
    drawn = torch.stack([maps[:, 0, 0], maps[:, 1, 1], maps[:, 0, 2], maps[:, 1, 2]])
    assert (torch.corrcoef(drawn) - torch.eye(4)).abs().max() < 0.03


def test_draw_is_decided_by_its_generator():
    assert torch.equal(draw_maps(ALL, 5, generator(1)), draw_maps(ALL, 5, generator(1)))
    assert not torch.equal(draw_maps(ALL, 5, generator(1)), draw_maps(ALL, 5, generator(2)))


def test_warp_is_its_maps_and_can_be_taken_in_parts():
    images = torch.randint(0, 256, (12, 1, 28, 28), dtype=torch.uint8)
    whole = Warp.draw(ALL, 12, generator())
    expected = warp(images, draw_maps(ALL, 12, generator()), ALL.interpolation)
    assert torch.equal(whole.apply(images), expected)
    assert torch.equal(whole.part(slice(3, 7)).apply(images[3:7]), expected[3:7])
    places = torch.tensor([5, 0])
    assert torch.equal(whole.part(places).apply(images[places]), expected[places])
    assert not torch.equal(whole.part(slice(0, 4)).apply(images[3:7]), expected[3:7])


class Inverted(Warp):
    """A second augmentation, as somebody may add it."""

    def apply(self, images):
        return 255 - images.float()


def test_augmentation_is_its_class_and_one_registry_line(monkeypatch):
    images = torch.randint(0, 256, (4, 1, 28, 28), dtype=torch.uint8)
    alone = augment.apply(images, augment.draw(ALL, 4, generator()))
    monkeypatch.setattr(augment, "AUGMENTATIONS", (Warp, Inverted))
    assert torch.equal(augment.apply(images, augment.draw(ALL, 4, generator())), 255 - alone)
    assert augment.apply(images, ()) is images
