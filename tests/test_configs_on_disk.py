"""The shipped ladder: every rung loads, is the article's network, says what it is, and trains."""

import math
import re

import pytest
import torch

from mnistladder.config.loading import CONFIG_DIR, load_rung, shipped_names
from mnistladder.config.spec import Adam, Augment
from mnistladder.data import datasets
from mnistladder.engine import inputs, loop, optim
from mnistladder.engine.tensors import Images
from mnistladder.engine.train_state import TrainState
from mnistladder.model import network
from mnistladder.model.layers import Conv, Dense, Dropout

STATISTICS = (33.31842, 78.56749)
LADDER = [  # name, parameters, published accuracy, epochs, batch size, members
    ("model01_linear", 7_850, 66.37, 10, 32, 1),
    ("model02_normalized", 7_850, 92.44, 5, 32, 1),
    ("model03_hidden", 79_510, 97.03, 5, 32, 1),
    ("model04_deep", 239_410, 97.75, 5, 32, 1),
    ("model05_conv", 55_856, 98.49, 5, 32, 1),
    ("model06_maxpool", 14_136, 98.37, 5, 32, 1),
    ("model07_vgg", 98_354, 96.94, 4, 32, 1),
    ("model08_batchnorm", 98_564, 98.93, 5, 32, 1),
    ("model09_dropout", 98_564, 98.98, 5, 32, 1),
    ("model10_augmentation", 98_564, 99.27, 10, 128, 1),
    ("model11_annealing", 98_564, 99.39, 28, 64, 1),
    ("model12_averaging", 98_564, 99.5, 28, 64, 5),
    ("model13_pseudolabel", 98_564, 99.58, 33, 64, 5),
]
NAMES = [row[0] for row in LADDER]
FILES = sorted(CONFIG_DIR.glob("**/*.yaml"))


@pytest.fixture(scope="module")
def few(digits_dir):
    """The first 64 training digits."""
    split = datasets.read_folder(digits_dir, "").train
    labels = torch.from_numpy(split.labels[:64].copy()).long()
    return Images(torch.from_numpy(split.images[:64].copy())[:, None], labels)


def test_ladder_has_its_thirteen_rungs_in_order():
    assert shipped_names() == NAMES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_config_file_loads_and_builds_the_promised_network(path):
    config = load_rung(str(path)).config
    built = network.build(config.model, 0, STATISTICS)
    assert sum(parameter.numel() for parameter in built.parameters()) == config.parameters
    assert built.eval()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("name", "parameters", "accuracy", "epochs", "batch_size", "members"), LADDER, ids=NAMES
)
def test_rung_is_the_articles(name, parameters, accuracy, epochs, batch_size, members):
    config = load_rung(name).config
    assert config.parameters == parameters
    assert config.published.accuracy == accuracy
    assert (config.epochs, config.batch_size, config.members) == (epochs, batch_size, members)
    assert config.optimizer == Adam()
    assert config.loss == ("clipped_cross_entropy" if name == NAMES[0] else "cross_entropy")
    weighted = [layer for layer in config.model if isinstance(layer, Dense | Conv)]
    assert all(layer.bias and layer.init == "glorot_uniform" for layer in weighted)


@pytest.mark.parametrize("name", NAMES)
def test_header_says_what_is_new_what_to_expect_the_source_and_how_to_run(name):
    header = (CONFIG_DIR / f"{name}.yaml").read_text().split("\n\n")[0].splitlines()
    assert all(line.startswith("#") for line in header)
    found = [
        m[1] for line in header if (m := re.match(r"# (New here|Expect|Source|Run): +\S", line))
    ]
    assert found == ["New here", "Expect", "Source", "Run"]
    assert f"# Run:      mnistladder run {name}" in header
    assert header[1].startswith(f"# Rung {int(name[5:7])}: ")


@pytest.mark.parametrize(("name", "accuracy"), [(row[0], row[2]) for row in LADDER])
def test_header_names_the_published_accuracy(name, accuracy):
    text = (CONFIG_DIR / f"{name}.yaml").read_text()
    assert f"model {int(name[5:7])}: " in text
    assert re.search(rf"# Source: .*{accuracy}0? ?%", text)


def test_dropout_and_augmentation_are_the_articles():
    config = load_rung("model10_augmentation").config
    found = [layer.p for layer in config.model if isinstance(layer, Dropout)]
    assert found == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert config.augment == Augment(rotate_deg=10, shear_deg=5.73, zoom=0.1)
    assert math.radians(config.augment.shear_deg) == pytest.approx(0.1, rel=1e-3)


def test_annealing_plan_is_the_articles():
    plans = [load_rung(name).config.phases for name in NAMES[10:]]
    expected = [
        (1, 1e-4, False),
        (3, 1e-2, False),
        (4, 1e-2, True),
        (5, 1e-3, True),
        (5, 1e-4, True),
        (5, 1e-5, True),
        (5, 1e-7, True),
    ]
    assert [(phase.epochs, phase.lr, phase.augment) for phase in plans[0]] == expected
    assert plans[1] == plans[0] == plans[2][:7]
    last = plans[2][7]
    assert (last.epochs, last.augment, last.pseudo_per_batch) == (5, True, 16)


def test_rungs_that_share_networks_have_the_same_recipe():
    eleven, twelve, thirteen = (load_rung(name).config for name in NAMES[10:])
    for config in (twelve, thirteen):
        changes = {
            name: getattr(config, name) for name in ("title", "published", "expect", "members")
        }
        changes |= {"pool": config.pool, "phases": config.phases}
        assert eleven.model_copy(update=changes) == config


@pytest.mark.parametrize("name", NAMES)
def test_one_step_on_real_digits_gives_a_finite_loss_and_moves_every_weight(name, few):
    config = load_rung(name).config
    phase = config.phases[-1].model_copy(update={"epochs": 1})
    member = TrainState.new(config, 0, STATISTICS, torch.device("cpu"))
    parameters = list(member.network.parameters())
    before = [parameter.detach().clone() for parameter in parameters]
    epochs = inputs.assemble_epoch(few, few, config, phase, 0, 0)
    steps = -(-len(epochs) // config.batch_size)
    loss = loop.run_epoch(
        member,
        optim.make_loss(config),
        [epochs],
        config.batch_size,
        [1e-3] * steps,
        [inputs.stream(0, "dropout", 0)],
    ).item()
    assert math.isfinite(loss)
    assert 0 < loss < 17
    assert not any(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))
