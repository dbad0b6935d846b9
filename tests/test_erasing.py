"""Random erasing against a plain loop, and its rectangles against the article's ranges."""

import numpy as np
import pytest
import torch
from test_augment import ALL, generator

from mnistladder.config.spec import Augment
from mnistladder.engine import augment
from mnistladder.engine.erasing import Erasing

HALF = Augment(erase=0.5)
CPU = torch.device("cpu")


@pytest.fixture
def images():
    """Images without a single 0."""
    return torch.randint(1, 256, (40, 1, 28, 28), dtype=torch.uint8, generator=generator(7))


def test_erased_images_are_those_of_a_plain_loop(images):
    drawn = Erasing.draw(HALF, 40, generator())
    found = drawn.apply(images)
    expected = images.float().numpy().copy()
    for image, (top, bottom, left, right) in zip(expected, drawn.boxes.tolist(), strict=True):
        image[0, top:bottom, left:right] = 0
    assert np.array_equal(found.numpy(), expected)
    assert found.dtype == torch.float32
    erased = (found == 0).flatten(1).any(1)
    assert 10 < erased.sum() < 30
    assert torch.equal(found[~erased], images[~erased].float())


def test_rectangles_have_the_articles_ranges():
    boxes = Erasing.draw(Augment(erase=1.0), 20_000, generator()).boxes
    rows, columns = (boxes[:, 1] - boxes[:, 0]).double(), (boxes[:, 3] - boxes[:, 2]).double()
    assert boxes.min() == 0
    assert boxes.max() == 28
    share, uncut = rows * columns / 784, (rows < 28) & (columns < 28)
    assert 0.01 < share.min() < 0.02  # sides are rounded
    assert 0.4 < share.max() < 0.43
    assert share[uncut].mean() == pytest.approx(0.2, abs=0.01)
    log_ratio = (rows / columns)[uncut].log()
    assert abs(log_ratio.mean()) < 0.02  # high and wide ones are equally frequent
    assert log_ratio.exp().max() < 4.1
    middle = (boxes[:, 0] + boxes[:, 1]).double() / 2
    assert middle.mean() == pytest.approx(14, abs=0.1)


@pytest.mark.parametrize(("chance", "area"), [(0.1, 0.4), (0.9, 0.05)])
def test_share_of_images_and_largest_area_are_the_configs(chance, area):
    boxes = Erasing.draw(Augment(erase=chance, erase_area=area), 5_000, generator()).boxes
    areas = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    assert (areas > 0).double().mean() == pytest.approx(chance, abs=0.02)
    assert 0.8 * area < areas.max() / 784 < area + 0.03


def test_erasing_changes_nothing_of_other_distortions(images):
    erasing = ALL.model_copy(update={"erase": 0.5})
    plain, both = (augment.draw(ranges, 40, generator()) for ranges in (ALL, erasing))
    assert torch.equal(plain[0].maps, both[0].maps)
    without, erased = augment.apply(images, plain), augment.apply(images, both)
    kept = (erased == without).flatten(1).all(1)
    assert 10 < kept.sum() < 30
    assert ((erased == without) | (erased == 0)).all()
    assert plain[1].apply(images) is images


def test_erasing_can_be_taken_in_parts_and_moved(images):
    drawn = Erasing.draw(HALF, 40, generator())
    whole = drawn.apply(images)
    for part in (slice(3, 9), torch.tensor([5, 0])):
        assert torch.equal(drawn.part(part).to(CPU).apply(images[part]), whole[part])
    assert not torch.equal(drawn.part(slice(0, 6)).apply(images[3:9]), whole[3:9])
    assert torch.equal(drawn.boxes, Erasing.draw(HALF, 40, generator()).boxes)
    assert not torch.equal(drawn.boxes, Erasing.draw(HALF, 40, generator(1)).boxes)
