"""`--set` changes any value of a config, also of a table at its default, or says why not."""

import pytest

from mnistladder.config import loading
from mnistladder.config.spec import Adam, AdamW, Augment, Published, Sgd
from mnistladder.data.datasets import find
from mnistladder.errors import ConfigError, UsageError
from mnistladder.ladder.attempts import Attempt
from mnistladder.model.layers import BatchNorm

GOOD = """title: T
model: [flatten, dense: {out: 10}]
phases:
  - {epochs: 1, lr: 1e-4}
"""


@pytest.fixture
def load(tmp_path):
    """Loads a YAML text as the file x.yaml."""

    def load_text(text, *overrides):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return loading.load_rung(str(path), overrides)

    return load_text


def problems(load, text, *overrides):
    """The problems of a bad config as (line, column, message)."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def result_id(rung):
    return Attempt(rung, 0, find("mnist")).result_id


def test_overrides_change_the_config_and_the_label(load):
    rung = load(GOOD, "phases.0.lr=1e-3", "batch_size=64", "optimizer={name: sgd, momentum: 0.9}")
    assert rung.config.phases[0].lr == 1e-3
    assert rung.config.batch_size == 64
    assert rung.config.optimizer == Sgd(momentum=0.9)
    assert rung.label.startswith("x phases.0.lr=1e-3 batch_size=64 ")
    assert load(GOOD, "model.1.dense.out=20", "model.1.dense.out=10").config == load(GOOD).config


def test_override_that_changes_nothing_is_none(load):
    assert load(GOOD, "batch_size=32").overrides == ()
    assert load(GOOD, "batch_size=33").overrides == ("batch_size=33",)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("phases.1.lr=2", "`phases` has entries 0 to 0, not `1`"),
        ("phases.x.lr=2", "`phases` has entries 0 to 0, not `x`"),
        ("phases.0.lr=abc", "`lr`: expected a number, found 'abc'"),
        ("phases.0.lr.x=1", "`phases.0.lr` is a single value and has no `x`"),
        ("modle.0=1", "the config has no `modle`; did you mean `model`?"),
        ("batch_size=[1", "not YAML: "),
        ("batch_size=0", "`batch_size`: expected at least 1, found 0"),
        ("batch_sise=4", "unknown key `batch_sise`; did you mean `batch_size`?"),
        ("batch_size=*a", "alias `*a`"),
        ("phases.0.lr={from: 1, to: x}", "`to`: expected a number, found 'x'"),
        ("phases=", "`phases`: expected a list, found nothing"),
    ],
)
def test_bad_override_is_told_with_its_text(load, override, expected):
    with pytest.raises(ConfigError) as caught:
        load(GOOD, override)
    assert {problem.file for problem in caught.value.problems} == {f"--set {override}"}
    assert any(expected in problem.message for problem in caught.value.problems)


def test_override_without_equals_sign_is_told(load):
    with pytest.raises(UsageError, match=r"--set nope: expected key.path=value"):
        load(GOOD, "nope")


def test_override_with_an_endless_index_is_told(load):
    with pytest.raises(UsageError):
        load(GOOD, f"phases.{'9' * 5000}=1")


def test_overrides_and_file_are_told_together(load):
    found = problems(load, GOOD + "bach_size: 3\n", "members=0", "pool=x")
    assert len(found) == 3


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("loss=cross_entropi", "did you mean `cross_entropy`?"),
        ("optimizer=sgd", "`optimizer`: expected a mapping with a `name`, found 'sgd'"),
        ("optimizer={name: adma}", "did you mean `adam`?"),
        ("optimizer={momentum: 0.5}", "`optimizer`: expected a `name`, one of"),
        ("zip.zap=3", "the config has no `zip`"),
    ],
)
def test_wrong_words_and_paths_are_told_together_with_the_others(load, override, expected):
    with pytest.raises(ConfigError) as error:
        load(GOOD.replace("title", "titel"), override)
    assert expected in str(error.value)
    assert "unknown key `titel`; did you mean `title`?" in str(error.value)


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("optimizer.name=sgd", "optimizer", Sgd()),
        ("optimizer.name=adamw", "optimizer", AdamW()),
        ("optimizer.weight_decay=1e-4", "optimizer", Adam(weight_decay=1e-4)),
        ("published.accuracy=99", "published", Published(accuracy=99)),
    ],
)
def test_override_reaches_a_table_that_is_at_its_default(load, override, key, value):
    rung = load(GOOD, override)
    assert rung.config == load(GOOD).config.model_copy(update={key: value})
    assert rung.overrides == (override,)


@pytest.mark.parametrize("text", ["augment: {}\n", "augment:\n", "augment: null\n", ""])
def test_override_reaches_ranges_that_are_empty_null_or_absent(load, text):
    rung = load(GOOD + text, "augment.rotate_deg=15", "phases.0.augment=true")
    assert rung.config.augment == Augment(rotate_deg=15)


def test_override_reaches_a_layer_that_is_its_bare_name(load):
    text = GOOD.replace("flatten", "batchnorm, flatten")
    assert load(text, "model.0.batchnorm.eps=0.01").config.model[0] == BatchNorm(eps=0.01)
    [(_, _, message)] = problems(load, text, "model.0.dropout.p=0.01")
    assert message == "`model.0` is the layer `batchnorm`, not `dropout`"


def test_two_overrides_build_one_table(load):
    rung = load(GOOD, "optimizer.name=sgd", "optimizer.momentum=0.9")
    assert rung.config.optimizer == Sgd(momentum=0.9)


def test_override_of_ranges_that_no_phase_uses_says_what_is_missing(load):
    for text in (GOOD, GOOD + "augment: {zoom: 0.1}\n"):
        with pytest.raises(ConfigError, match="no phase has `augment: true`") as caught:
            load(text, "augment.rotate_deg=15")
        assert str(caught.value).startswith("--set augment.rotate_deg=15: ")
        assert "add --set phases.0.augment=true" in str(caught.value)
    assert load(GOOD + "augment: {zoom: 0.1}\n").config.augment == Augment(zoom=0.1)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("published.remark=x", "missing key `accuracy`"),
        ("optimizer.beta11=1", "unknown key `beta11`; did you mean `beta1`?"),
        ("optimizer.name=adma", "did you mean `adam`?"),
        ("publisched.accuracy=99", "the config has no `publisched`; did you mean `published`?"),
    ],
)
def test_wrong_override_of_a_default_table_is_reported_with_its_text(load, override, expected):
    with pytest.raises(ConfigError) as caught:
        load(GOOD, override)
    assert str(caught.value).startswith(f"--set {override}: ")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    "override",
    ["optimizer.name=adam", "optimizer.weight_decay=0", "optimizer={name: adam}", "members=1"],
)
def test_override_that_says_the_default_keeps_the_result_id(load, override):
    rung, plain = load(GOOD, override), load(GOOD)
    assert rung == plain
    assert result_id(rung) == result_id(plain)


@pytest.mark.parametrize("override", ["optimizer.name=sgd", "optimizer.weight_decay=1e-4"])
def test_override_of_the_optimizer_has_another_result_id(load, override):
    written = "{name: sgd}" if "sgd" in override else "{name: adam, weight_decay: 1e-4}"
    changed = result_id(load(GOOD, override))
    assert changed != result_id(load(GOOD))
    assert changed == result_id(load(f"{GOOD}optimizer: {written}\n"))
