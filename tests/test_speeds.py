"""Speeds are kept, for this machine only."""

import pytest
import small
from record_data import result

from mnistladder import environment, sealed
from mnistladder.config import cost
from mnistladder.config.loading import load_rung
from mnistladder.config.recipe import recipe
from mnistladder.config.spec import Augment
from mnistladder.ladder.speeds import Calibration, Speed, images_per_second, network_key
from mnistladder.sealed import digest

SPEED = Speed(train_s=1e-3, augment_s=1e-4, evaluate_s=1e-5, store_s=0.02)


def test_stage_takes_what_its_epochs_take(source):
    plan = small.phases(2, 3, pseudo_per_batch=16)
    stages = [
        level[0] for level in small.member_stages(small.tiny(phases=plan, pool="test"), 0, source)
    ]
    first, second = (SPEED.stage_s(stage, 600, 100) for stage in stages)
    assert first == pytest.approx(2 * (600 * 1e-3 + 100 * 1e-5 + 0.02))
    assert second == pytest.approx(3 * ((600 + 13 * 16) * 1e-3 + 100 * 1e-5 + 0.02))


def test_augmented_epochs_cost_more(source):
    config = small.tiny(augment=Augment(rotate_deg=5), phases=small.phases(1, 1, augment=True))
    stage = small.first_stage(config, source)
    plain = 2 * (600 * 1e-3 + 100 * 1e-5 + 0.02)
    assert SPEED.stage_s(stage, 600, 100) == pytest.approx(plain + 600 * 1e-4)


def test_what_was_measured_is_known_again(tmp_path):
    first = Calibration(tmp_path, small.CPU)
    first.add(small.tiny(), 4, SPEED)
    first.started(1.5)
    first.save()
    again = Calibration(tmp_path, small.CPU)
    assert again.speed(small.tiny(), 4) == SPEED == again.any_speed(small.tiny())
    assert again.speed(small.tiny(), 1) is None
    assert (again.start_s, again.start_mib) == (1.5, first.start_mib)
    assert again.start_mib > 10


def test_speed_depends_on_the_precision():
    assert network_key(small.tiny(precision="bfloat16"), 1) != network_key(small.tiny(), 1)


def test_speed_depends_on_clipping():
    assert network_key(small.tiny(clip_norm=1.0), 1) != network_key(small.tiny(), 1)


def test_other_machine_knows_nothing(tmp_path, monkeypatch):
    first = Calibration(tmp_path, small.CPU)
    first.add(small.tiny(), 1, SPEED)
    first.save()
    monkeypatch.setattr(environment, "cpu_name", lambda: "another processor")
    assert Calibration(tmp_path, small.CPU).speeds == {}


def test_device_is_decided_only_if_there_are_speeds(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(environment, "usable_cuda_devices", lambda: asked.append(1) or ())
    Calibration(tmp_path)
    assert not asked
    Calibration(tmp_path, small.CPU).save()
    Calibration(tmp_path)
    assert asked


def test_damaged_calibration_is_measured_again(tmp_path):
    first = Calibration(tmp_path, small.CPU)
    first.save()
    first.path.write_bytes(first.path.read_bytes()[:-9])
    assert Calibration(tmp_path, small.CPU).speeds == {}


def test_calibration_of_another_version_is_measured_again(tmp_path):
    first = Calibration(tmp_path, small.CPU)
    first.add(small.tiny(), 1, SPEED)
    first.save()
    content = sealed.unseal(first.path.read_bytes(), "")
    for speed in content["speeds"].values():
        del speed["store_s"]
    first.path.write_bytes(sealed.seal(content))
    assert Calibration(tmp_path, small.CPU).speeds == {}


def test_speed_follows_from_the_network_and_not_from_its_plan():
    config = small.tiny()
    same = small.tiny(phases=small.phases(9), title="Other", members=3)
    assert network_key(config, 2) == network_key(same, 2)
    others = [(small.tiny(batch_size=32), 2), (small.tiny(model=small.LAYERS[3:]), 2), (config, 1)]
    assert len({network_key(*other) for other in [(config, 2), *others]}) == 4


def test_speed_is_the_measured_one_or_scaled_from_the_nearest_network():
    config = load_rung("model09_dropout").config
    half_cost = (cost.multiply_adds(config) + cost.OVERHEAD) // 2 - cost.OVERHEAD
    own = result(config_sha256=digest(recipe(config)), images_per_s=2000, multiply_adds=1)
    half = result(config_sha256="other", images_per_s=1000, multiply_adds=half_cost)
    far = result(config_sha256="other", images_per_s=90_000, multiply_adds=1000)
    assert images_per_second(config, []) is None
    assert images_per_second(config, [half, own]) == 2000
    assert images_per_second(config, [far, half]) == pytest.approx(500, rel=1e-3)


def test_speed_is_scaled_from_the_network_whose_cost_differs_least():
    config = load_rung("model09_dropout").config
    wanted = 2_419_752 + 50_000
    smaller, larger = round(0.7 * wanted) - 50_000, round(1.4 * wanted) - 50_000
    known = [
        result(config_sha256="other", images_per_s=1001, multiply_adds=count)
        for count in (smaller, larger)
    ]
    expected = 1001 * (smaller + 50_000) / wanted
    assert images_per_second(config, known) == pytest.approx(expected, rel=1e-9)
    assert images_per_second(config, known[::-1]) == pytest.approx(expected, rel=1e-9)
