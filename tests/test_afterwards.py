"""What a run says at its end."""

import pytest
from record_data import result

from mnistladder.cli import afterwards
from mnistladder.cli.afterwards import next_command
from mnistladder.config.loading import load_rung
from mnistladder.report.summary import make_rows

ONE_EPOCH = "phases=[{epochs: 1, lr: 1e-3}]"


def records(count, rung="model05_conv", errors=160, **changes):
    seeds = range(count)
    return [result(rung=rung, seed=seed, errors=errors + seed, **changes) for seed in seeds]


@pytest.mark.parametrize(
    ("errors", "mean", "place"),
    [(160, "161 ± 1", "within"), (20, "21.0 ± 1.0", "below"), (4000, "4001 ± 1", "above")],
)
def test_mean_stands_beside_the_band_of_its_config(errors, mean, place, capsys):
    config = load_rung("model05_conv").config
    low, high = map(int, config.expect.errors)
    [row] = make_rows(records(3, errors=errors))
    afterwards.say_mean(row, config)
    assert capsys.readouterr().out == (
        f"model05_conv: {mean} errors, the mean of 3 seeds; "
        f"{place} the {low} to {high} that its config expects\n"
    )


@pytest.mark.parametrize(
    "changes",
    [{"overrides": [ONE_EPOCH]}, {"data": {"name": "own", "sha256": "a"}}, {"rung": "mine"}],
)
def test_band_holds_for_the_shipped_config_on_mnist_alone(changes, capsys):
    [row] = make_rows(records(1, **changes))
    afterwards.say_mean(row, load_rung("model05_conv").config)
    assert capsys.readouterr().out == f"{row.rung}: 160 errors, one seed\n"


@pytest.mark.parametrize(
    ("trained", "stored", "command"),
    [
        (records(2), {"model04_deep"}, "run model05_conv --seeds 3"),
        (records(3), {"model04_deep"}, "compare model04_deep model05_conv"),
        (records(3), set(), "report"),
        (records(3, rung="model01_linear"), {"model13_pseudolabel"}, "report"),
        (records(3, rung="mine"), {"model13_pseudolabel"}, "report"),
        (records(3) + records(3, rung="model06_maxpool"), {"model04_deep"}, "report"),
        (
            records(3, rung="model09_dropout_bfloat16"),
            {"model09_dropout"},
            "compare model09_dropout model09_dropout_bfloat16",
        ),
        (
            records(1, overrides=["batch_size=64"]),
            {"model05_conv"},
            "run model05_conv --set batch_size=64 --seeds 3",
        ),
        (
            records(3, overrides=["batch_size=64"]),
            {"model05_conv"},
            "compare model05_conv model05_conv --set batch_size=64",
        ),
    ],
)
def test_next_command_is_more_seeds_then_a_comparison_then_the_report(trained, stored, command):
    assert next_command(trained, stored, {}) == f"mnistladder {command}"
    in_folder = next_command(trained, stored, {"--runs-dir": "my runs"})
    assert in_folder == f"mnistladder {command} --runs-dir 'my runs'"
