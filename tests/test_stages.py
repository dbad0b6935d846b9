"""A stage's key changes with all that decides its training, and with nothing else."""

import dataclasses

import pytest
import small

from mnistladder.config.cost import OVERHEAD, multiply_adds
from mnistladder.config.spec import Adam, AdamW, Augment, Phase, Published, Sgd
from mnistladder.ladder.stages import Stage, member_stages, stage_work
from mnistladder.model.layers import Dense

PSEUDO = small.tiny(members=2, pool="test", phases=small.phases(2, 1, 3, pseudo_per_batch=16))


def key(source, seed=0, **changes):
    return small.first_stage(small.tiny(**changes), source, seed).key


@pytest.mark.parametrize(
    "changes",
    [
        {"title": "Other"},
        {"published": Published(accuracy=99.0)},
        {"pool": "test"},
        {"augment": Augment(zoom=0.1)},
        {"optimizer": Adam()},
        {"loss": "cross_entropy"},
    ],
)
def test_key_ignores_what_does_not_decide_training(source, changes):
    assert key(source, **changes) == key(source)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"batch_size": 32},
        {"loss": "clipped_cross_entropy"},
        {"clip_norm": 1.0},
        {"label_smoothing": 0.1},
        {"precision": "bfloat16"},
        {"optimizer": Sgd()},
        {"optimizer": AdamW()},
        {"optimizer": Adam(beta1=0.8)},
        {"model": small.LAYERS[1:]},
        {"phases": small.phases(3)},
        {"phases": small.phases(2, lr=1e-3)},
        {"phases": small.phases(2, augment=True), "augment": Augment()},
        {"phases": small.phases(2, augment=True), "augment": Augment(zoom=0.1)},
    ],
)
def test_key_sees_all_that_decides_training(source, changes):
    assert key(source, **changes) != key(source)


def test_key_tells_optimizers_apart_by_their_name(source):
    plans = [Adam(), AdamW(), Sgd(), AdamW(weight_decay=0.0), Adam(weight_decay=0.01)]
    assert len({key(source, optimizer=optimizer) for optimizer in plans}) == 5


def test_key_sees_the_data(source):
    other = dataclasses.replace(source, sha256="0" * 64)
    assert key(other) != key(source)
    assert key(dataclasses.replace(source, name="other", folder=source.folder / "x")) == key(source)


def test_members_of_a_rung_are_its_seeds(source):
    [level] = member_stages(small.tiny(members=3), 2, source)
    assert [stage.seed for stage in level] == [6, 7, 8]
    assert len({stage.key for stage in level}) == 3


def test_pseudo_labelling_begins_a_stage_that_needs_all_members_before_it(source):
    first, second = member_stages(PSEUDO, 0, source)
    keys = tuple(stage.key for stage in first)
    assert [stage.epochs for stage in first + second] == [3, 3, 3, 3]
    assert [stage.first_epoch for stage in first + second] == [0, 0, 3, 3]
    assert [stage.previous for stage in second] == list(keys)
    assert all(stage.teachers == keys and set(stage.needs) == set(keys) for stage in second)
    assert all(stage.needs == () for stage in first)


def test_first_stage_of_pseudo_labelling_is_that_of_the_rung_before(source):
    before = small.tiny(phases=small.phases(2, 1))
    assert member_stages(PSEUDO, 0, source)[0][0].key == small.first_stage(before, source).key


def test_members_count_only_as_teachers(source):
    alone, three = (
        member_stages(PSEUDO.model_copy(update={"members": count}), 0, source) for count in (1, 3)
    )
    assert alone[0][0].key == three[0][0].key
    assert alone[1][0].key != three[1][0].key


def test_position_gives_phase_and_epoch_within_it(source):
    stage = Stage(PSEUDO, 0, 3, source)
    assert [stage.position(epoch) for epoch in range(6)] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (2, 0),
        (2, 1),
        (2, 2),
    ]
    with pytest.raises(IndexError):
        stage.position(6)


def test_later_phases_do_not_change_an_earlier_stage(source):
    plan = (*PSEUDO.phases[:2], Phase(epochs=9, lr=1e-5, pseudo_per_batch=8))
    other = PSEUDO.model_copy(update={"phases": plan})
    (first, last), (same, changed) = (member_stages(c, 0, source) for c in (PSEUDO, other))
    assert [stage.key for stage in first] == [stage.key for stage in same]
    assert last[0].key != changed[0].key


def test_work_of_a_stage_is_its_epochs_with_the_pool_times_the_cost_of_an_image(source):
    """16 of a batch's 64 images come from the pool: an epoch is then a third longer."""
    (first, _), (second, _) = member_stages(PSEUDO, 0, source)
    image = multiply_adds(PSEUDO) + OVERHEAD
    assert stage_work(first) == pytest.approx(3 * image)
    assert stage_work(second) == pytest.approx(3 * 64 / 48 * image)


def test_wider_network_is_more_work(source):
    wide = small.tiny(model=(*small.LAYERS[:-1], Dense(out=999), Dense(out=10)))
    works = [stage_work(small.first_stage(config, source)) for config in (wide, small.tiny())]
    assert works[0] - works[1] == pytest.approx(
        2 * (multiply_adds(wide) - multiply_adds(small.tiny()))
    )
    assert works[0] > works[1]
