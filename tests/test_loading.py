"""Every mistake of a config is told, all at once, each with its place."""

import pytest
import small
from hypothesis import given
from hypothesis import strategies as st

from mnistladder.config import loading, yaml_reader
from mnistladder.config.recipe import resolved
from mnistladder.config.spec import AdamW, Ramp, Sgd
from mnistladder.errors import ConfigError, UsageError

GOOD = """title: T
model: [flatten, dense: {out: 10}]
phases:
  - {epochs: 1, lr: 1e-4}
"""
DEEP = "[" * 30 + "]" * 30


@pytest.fixture
def load(tmp_path):
    """Loads a YAML text as the file x.yaml."""

    def load_text(text, *overrides):
        path = tmp_path / "x.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return loading.load_rung(str(path), overrides)

    return load_text


def problems(load, text, *overrides):
    """The problems of a bad config as (line, column, message)."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def test_good_config_loads_under_the_name_of_its_file(load):
    rung = load(GOOD)
    assert (rung.name, rung.label, rung.config.title) == ("x", "x", "T")
    assert rung.config.phases[0].lr == 1e-4


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-4", 1e-4), ("1.0e-4", 1e-4), ("1", 1.0), (".5", 0.5), ("5.", 5.0), ("+2E-1", 0.2)],
)
def test_numbers_of_yaml_1_2_are_numbers(load, text, value):
    rate = load(GOOD.replace("1e-4", text)).config.phases[0].lr
    assert (rate, type(rate)) == (value, float)


@pytest.mark.parametrize("text", ["1e-4x", "0x10", "1_0", "1:30", "on", "'1'", "1,5", "0o14"])
def test_what_is_no_number_of_yaml_1_2_is_refused(load, text):
    [(*place, message)] = problems(load, GOOD + f"clip_norm: {text}\n")
    assert place == [5, 12]
    assert message.startswith("`clip_norm`: expected a number, found '")


WRONG_LINE_5 = [
    ("bach_size: 3", 1, "unknown key `bach_size`; did you mean `batch_size`?"),
    ("on: true", 1, "unknown key `on`; known: augment, average, batch_size, "),
    ("<<: {a: 1}", 1, "unknown key `<<`"),
    ("title: U", 1, "`title` is repeated; it is first on line 1"),
    ("phases: 3", 1, "`phases` is repeated; it is first on line 3"),
    ("batch_size: true", 13, "`batch_size`: expected an integer, found true"),
    ("batch_size: 3.0", 13, "`batch_size`: expected an integer, found 3.0"),
    ("batch_size: 2.5", 13, "`batch_size`: expected an integer, found 2.5"),
    ("batch_size: '3'", 13, "`batch_size`: expected an integer, found '3'"),
    ("batch_size:", 12, "`batch_size`: expected an integer, found nothing"),
    ("batch_size: .inf", 13, "`batch_size`: expected an integer, found inf"),
    ("batch_size: 0", 13, "`batch_size`: expected at least 1, found 0"),
    ("batch_size: 65537", 13, "expected at most 65536, found 65537"),
    ("members: 1001", 10, "expected at most 1000"),
    ("members: -1", 10, "`members`: expected at least 1, found -1"),
    ("clip_norm: .nan", 12, "`clip_norm`: expected a finite number, found nan"),
    ("clip_norm: -.inf", 12, "`clip_norm`: expected a finite number, found -inf"),
    ("clip_norm: 0", 12, "`clip_norm`: expected a number above 0, found 0"),
    ("label_smoothing: true", 18, "`label_smoothing`: expected a number, found true"),
    ("label_smoothing: 1", 18, "`label_smoothing`: expected a number below 1, found 1"),
    ("loss: mse", 7, "`loss`: expected 'cross_entropy' or 'clipped_cross_entropy', found 'mse'"),
    (
        "pool: train",
        7,
        "`pool`: expected 'test', 'test_first_half' or 'test_second_half', found 'train'",
    ),
    ("published: {}", 1, "missing key `accuracy`"),
    ("published: {accuracy: 101}", 23, "`accuracy`: expected at most 100"),
    ("augment: {zom: 0.1}", 11, "unknown key `zom`; did you mean `zoom`?"),
    ("augment: {zoom: 1}", 17, "`zoom`: expected a number below 1, found 1"),
    ("augment: {rotate_deg: 181}", 23, "expected at most 180"),
    ("augment: {shear_deg: 81}", 22, "expected at most 80"),
    ("augment: {shift_px: 29}", 21, "expected at most 28"),
    ("augment: {interpolation: cubic}", 26, "expected 'bilinear' or 'nearest', found 'cubic'"),
    ("augment: [1]", 10, "`augment`: expected a mapping, found a list"),
    ("optimizer: {name: adma}", 12, "'adma'"),
    ("optimizer: {beta1: 0.5}", 12, "expected a `name`, one of"),
    ("optimizer: sgd", 12, "found 'sgd'"),
    ("optimizer: {name: sgd, beta1: 0.5}", 24, "unknown key `beta1`; known: momentum, name, nes"),
    ("optimizer: {name: sgd, momentum: 1}", 34, "`momentum`: expected a number below 1, found 1"),
    ("optimizer: {name: adam, eps: 0}", 30, "`eps`: expected a number above 0, found 0"),
    ("augment: &a {zoom: 0.1}", 10, "anchor `&a`: anchors are not allowed in a config"),
    (
        "augment: !!map {zoom: 0.1}",
        10,
        "tag `tag:yaml.org,2002:map`: tags are not allowed in a config",
    ),
    ("augment: !foo {zoom: 0.1}", 10, "tag `!foo`: tags are not allowed in a config"),
    ("title2: !!python/object/apply:os.getcwd []", 9, "tags are not allowed in a config"),
    ("augment: *a", 10, "alias `*a`: aliases are not allowed; write the value itself"),
    ("---\na: 1", 1, "a second document begins here; a config is one document"),
    ("? [a]\n: 1", 3, "a key must be a word"),
    (f"members: {'9' * 101}", 10, "a number of 101 characters"),
]


@pytest.mark.parametrize(("extra", "column", "expected"), WRONG_LINE_5)
def test_wrong_key_or_value_is_told_with_line_and_column(load, extra, column, expected):
    found = problems(load, f"{GOOD}{extra}\n")
    assert {line for line, _, _ in found} == {5}
    assert any(where == column and expected in text for _, where, text in found), found


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "expected"),
    [
        ("title: T", "title: 2017", 1, 8, "`title`: expected text, found 2017"),
        ("title: T", "title: ''", 1, 8, "`title`: expected"),
        ("title: T", f"title: {'x' * 81}", 1, 8, "at most 80"),
        ("title: T\n", "", 1, 1, "missing key `title`"),
        ("epochs: 1, ", "", 4, 5, "missing key `epochs`"),
        ("epochs: 1", "epochs: 10001", 4, 14, "expected at most 10000"),
        ("1e-4", "0", 4, 21, "`lr`: expected a number above 0, found 0"),
        ("1e-4", "101", 4, 21, "`lr`: expected at most 100, found 101"),
        ("1e-4", "fast", 4, 21, "`lr`: expected a number, found 'fast'"),
        ("1e-4", "{from: 1, to: 0}", 4, 35, "`to`: expected a number above 0, found 0"),
        ("1e-4", "{from: 1, to: 1, shap: x}", 4, 38, "unknown key `shap`; did you mean `shape`?"),
        ("1e-4", "{from: 1}", 4, 17, "missing key `to`"),
        ("1e-4", "1e-4, augment: 1", 4, 36, "`augment`: expected true or false, found 1"),
        ("  - {epochs: 1, lr: 1e-4}", "  []", 4, 3, "`phases`: expected at least one entry"),
        ("  - {epochs: 1, lr: 1e-4}", "  {}", 4, 3, "`phases`: expected a list, found a mapping"),
        ("  - {epochs: 1, lr: 1e-4}", "  - 3", 4, 5, "expected a mapping, found 3"),
        (
            "dense: {out: 10}",
            "dens: {out: 10}",
            2,
            18,
            "unknown layer `dens`; did you mean `dense`",
        ),
        ("flatten", "qqq", 2, 9, "unknown layer `qqq`; known: avgpool, batchnorm, conv, dense"),
        ("flatten", "os.system", 2, 9, "unknown layer `os.system`"),
        ("flatten", "3", 2, 9, "expected a layer, such as `relu` or `conv: {out: 7}`, found 3"),
        ("{out: 10}", "{ot: 10}", 2, 26, "unknown key `ot`; did you mean `out`?"),
        ("{out: 10}", "10", 2, 25, "`dense`: expected a mapping, found 10"),
        ("{out: 10}", "{out: 0}", 2, 31, "`out`: expected at least 1, found 0"),
        ("{out: 10}", "{out: 1048577}", 2, 31, "expected at most 1048576"),
        ("dense: {out: 10}", "dense", 2, 18, "missing key `out`"),
        ("[flatten, dense: {out: 10}]", "[]", 2, 8, "expected a list of layers"),
        ("[flatten, dense: {out: 10}]", "5", 2, 8, "expected a list of layers, found 5"),
    ],
)
def test_wrong_part_is_told_with_line_and_column(load, old, new, line, column, expected):
    found = problems(load, GOOD.replace(old, new))
    assert any((a, b) == (line, column) and expected in text for a, b, text in found), found


def test_empty_model_is_told(load):
    found = problems(load, GOOD.replace(" [flatten, dense: {out: 10}]", ""))
    assert found[0][0] == 2


@pytest.mark.parametrize(
    ("layers", "index", "expected"),
    [
        (
            ["dense: {out: 10}"],
            0,
            "dense: needs one row of features, but its input is 1x28x28; put `flatten` before",
        ),
        (
            ["flatten", "dense: {out: 11}"],
            1,
            "dense: its output is 11, but the last layer must give 10",
        ),
        (["flatten", "conv: {out: 3}"], 1, "conv: needs feature maps"),
        (["flatten", "maxpool"], 1, "maxpool: needs feature maps"),
        (
            ["conv: {out: 3, groups: 2}"],
            0,
            "conv: `groups` (2) must divide both the input channels (1) and `out` (3)",
        ),
        (
            ["maxpool: {size: 29}"],
            0,
            "maxpool: a window of side 29 does not fit into an input of side 28",
        ),
        (
            ["maxpool"] * 5 + ["flatten"],
            4,
            "maxpool: a window of side 2 does not fit into an input of side 1",
        ),
        (["relu"], 0, "relu: its output is 1x28x28, but the last layer must give 10 classes"),
    ],
)
def test_shape_that_does_not_fit_names_the_line_of_its_layer(load, layers, index, expected):
    model = "model:\n" + "".join(f"  - {layer}\n" for layer in layers)
    [(line, column, text)] = problems(load, f"title: T\n{model}phases: [{{epochs: 1, lr: 1}}]\n")
    assert (line, column) == (3 + index, 5)
    assert text.startswith(expected)


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("", 1, 1, "expected a mapping of keys, found nothing"),
        ("# only this\n", 1, 1, "found nothing"),
        ("- 1\n", 1, 1, "expected a mapping of keys, found a list"),
        ("x\n", 1, 1, "expected a mapping of keys, found 'x'"),
        ("a: b: c", 1, 5, "not YAML: "),
        (GOOD + "\tx: 1\n", 5, 1, "not YAML: "),
        (GOOD + "augment: {zoom: 1\n", 6, 1, "not YAML: "),
        (b"\0", 1, 1, "not YAML: "),
        (b"title: T\nmodel: \xff\n", 2, 1, "not UTF-8 text"),
        (f"title: T\na: {DEEP}", 2, 24, "nested more than 20 levels deep"),
        (f"{GOOD}#{'x' * 65536}", 1, 1, "larger than 64 KiB"),
    ],
)
def test_text_that_is_no_config_gives_one_problem(load, text, line, column, expected):
    [found] = problems(load, text)
    assert found[:2] == (line, column)
    assert expected in found[2]


def test_byte_order_mark_is_allowed(load):
    assert load(b"\xef\xbb\xbf" + GOOD.encode()).config == load(GOOD).config


FIVE_MISTAKES = """title: T
bach_size: 64
model: [flaten, dense: {out: 10, units: 3}]
phases:
  - {epochs: 0, lr: 1e-4}
members: 3.5
"""


def test_config_with_five_mistakes_gets_exactly_five_problems(load, tmp_path):
    with pytest.raises(ConfigError) as caught:
        load(FIVE_MISTAKES)
    path = tmp_path / "x.yaml"
    assert str(caught.value).splitlines() == [
        f"{path}:2:1: unknown key `bach_size`; did you mean `batch_size`?",
        f"{path}:3:9: unknown layer `flaten`; did you mean `flatten`?",
        f"{path}:3:34: unknown key `units`; did you mean `init`?",
        f"{path}:5:14: `epochs`: expected at least 1, found 0",
        f"{path}:6:10: `members`: expected an integer, found 3.5",
    ]


def test_missing_file_suggests_the_nearest_name():
    with pytest.raises(UsageError, match=r"model09_dropuot.yaml: no such file.*`model09_dropout`"):
        loading.load_rung("model09_dropuot.yaml")
    with pytest.raises(UsageError, match="no such rung; did you mean `model09_dropout`"):
        loading.load_rung("model09_dropuot")


def test_directory_is_no_config(tmp_path):
    (tmp_path / "x.yaml").mkdir()
    with pytest.raises(UsageError, match="not a regular file"):
        loading.load_rung(str(tmp_path / "x.yaml"))


@pytest.mark.parametrize("name", ["a b", ".hidden", "-x", "x" * 65, "a:b"])
def test_file_name_that_cannot_be_a_rungs_name_is_refused(tmp_path, name):
    path = tmp_path / f"{name}.yaml"
    path.write_text(GOOD)
    with pytest.raises(ConfigError, match="file name `"):
        loading.load_rung(str(path))


@pytest.mark.parametrize(
    ("references", "names"),
    [
        (["1-3"], ["model01_linear", "model02_normalized", "model03_hidden"]),
        (["9", "model09_dropout", "9-9"], ["model09_dropout"]),
        (["2", "1"], ["model02_normalized", "model01_linear"]),
    ],
)
def test_numbers_and_ranges_select_shipped_rungs(references, names):
    assert [rung.name for rung in loading.select_rungs(references)] == names


@pytest.mark.parametrize("reference", ["14", "0", "5-3", "99-100"])
def test_numbers_beyond_the_ladder_are_told(reference):
    with pytest.raises(UsageError, match="the ladder has 1 to 13"):
        loading.rung_names([reference])


ramps = st.builds(
    lambda start, end, shape, per: Ramp(**{"from": start}, to=end, shape=shape, per=per),
    st.floats(1e-9, 100),
    st.floats(1e-9, 100),
    st.sampled_from(["linear", "cosine", "exponential"]),
    st.sampled_from(["epoch", "step"]),
)
optimizers = st.builds(AdamW, eps=st.floats(1e-12, 1)) | st.builds(Sgd, nesterov=st.booleans())
configs = st.builds(
    lambda rate, smoothing, **changes: small.tiny(
        phases=small.phases(1, lr=rate), label_smoothing=smoothing, **changes
    ),
    st.floats(1e-9, 100) | ramps,
    st.floats(0, 1, exclude_max=True),
    optimizer=optimizers,
    batch_size=st.integers(2, 65536),
    members=st.integers(1, 1000),
    clip_norm=st.none() | st.floats(1e-300, 1e300),
    title=st.from_regex(r"[A-Z][ -~\xa0-\xff:#']{0,60}", fullmatch=True),
)


@given(configs)
def test_resolved_config_dumped_to_yaml_loads_to_an_equal_one(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(yaml_reader.dump(resolved(config)), encoding="utf-8")
    assert loading.load_rung(str(path)).config == config


@pytest.mark.parametrize("title", ["1e-4", "2e5", ".5e3"])
def test_resolved_title_that_yaml_1_2_reads_as_a_number_loads_again(tmp_path, title):
    path = tmp_path / "x.yaml"
    path.write_text(yaml_reader.dump(resolved(small.tiny(title=title))))
    assert loading.load_rung(str(path)).config.title == title


def test_alias_is_told_once(load):
    with pytest.raises(ConfigError) as error:
        load(GOOD + "batch_size: *size\n")
    assert len(error.value.problems) == 1
