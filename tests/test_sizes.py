"""The size of an epoch."""

import pytest

from mnistladder.config.sizes import epoch_size


@pytest.mark.parametrize(
    ("images", "batch", "steps", "kept"),
    [
        (512, 64, 8, 512),
        (513, 64, 8, 512),
        (514, 64, 9, 514),
        (63, 64, 1, 63),
        (2, 64, 1, 2),
        (7, 2, 3, 6),
        (8, 2, 4, 8),
        (10, 1, 10, 10),
    ],
)
def test_last_batch_is_short_but_never_a_single_image(images, batch, steps, kept):
    assert epoch_size(images, batch) == (steps, kept)


@pytest.mark.parametrize(
    ("images", "batch", "pseudo", "steps"),
    [(60_000, 64, 16, 1250), (20, 17, 16, 20), (49, 64, 16, 2)],
)
def test_images_of_the_pool_fill_every_batch(images, batch, pseudo, steps):
    assert epoch_size(images, batch, pseudo) == (steps, images + steps * pseudo)
