"""The screen of `show`: what is new in a config, its layers, its phases and its cost."""

import textwrap

from rich.text import Text

from mnistladder.cli import base
from mnistladder.cli.rung_list import percent, published_of
from mnistladder.cli.rung_report import Cost, DifferenceLine, RungReport
from mnistladder.config import schedule
from mnistladder.config.spec import Config, Rung
from mnistladder.model.layers import show
from mnistladder.report import tables

SIGNS = {"added": "+ ", "removed": "- "}
STYLES = {"added": "green", "removed": "red"}


def say_rung(rung: Rung, what: RungReport) -> None:
    """All that `about` found out about a config."""
    base.say(f"{rung.label}: {what['title']}\n")
    if what["technique"]:
        base.say_prose(what["technique"].strip())
        base.say("")
    _show_layers(what)
    _show_phases(rung.config)
    base.say(f"\nmembers     {what['members']}")
    if evaluated := _evaluation_text(rung.config):
        base.say(f"evaluated   {evaluated}")
    base.say(f"published   {percent(published_of(rung))}")
    _show_cost(what["cost"])
    if known := what["ready"]:
        base.say(
            f"ready       {known['errors']:,} errors of {known['test_images']:,}; "
            "these networks are in the package"
        )
    if what["compared_with"]:
        _show_difference(what["compared_with"], what["difference"])


def _evaluation_text(config: Config) -> str:
    """What is evaluated instead of the trained weights and a single look; empty if nothing is."""
    average, texts = config.average, list[str]()
    if average:
        every = "each step" if average.every == 1 else f"every {average.every} steps"
        texts.append(f"average of the weights, {every}, decay {average.decay:g}")
    if config.views > 1:
        texts.append(f"{config.views} views of each image")
    return "; ".join(texts)


def _show_layers(what: RungReport) -> None:
    rows = [
        [
            layer["layer"],
            " ".join(f"{key}={value}" for key, value in layer["options"].items()),
            show(tuple(layer["output_shape"])),
            f"{layer['parameters']:,}",
            f"{layer['multiply_adds']:,}",
        ]
        for layer in what["layers"]
    ]
    work = what["cost"]["multiply_adds_per_image"]
    rows.append(["total", "", "", f"{what['parameters']:,}", f"{work:,}"])
    headings = ["layer", "options", "output shape", "parameters", "multiply-adds"]
    base.print_table(headings, rows, {"parameters", "multiply-adds"})


def _show_difference(before: str, lines: list[DifferenceLine]) -> None:
    """One line a change; a terminal shows long ones wrapped, and in colour."""
    if not lines:
        base.say(f"\nThe recipe is that of {before}.")
        return
    base.say(f"\nFrom {before} to here (+ new, - gone):\n")
    console = base.output()
    for line in lines:
        text = SIGNS.get(line["change"], "  ") + line["line"]
        indent = " " * (len(line["line"]) - len(line["line"].lstrip(" -")) + 4)
        width = console.width if console.is_terminal else max(len(text), 1)
        for part in textwrap.wrap(text, width, subsequent_indent=indent):
            console.print(Text(part, STYLES.get(line["change"], "dim")), soft_wrap=True)


def _show_phases(config: Config) -> None:
    base.say("")
    rows = [
        [
            str(index),
            str(phase.epochs),
            schedule.rate_text(phase),
            "yes" if phase.augment else "no",
            f"{phase.pseudo_per_batch} of {config.batch_size}" if phase.pseudo_per_batch else "no",
        ]
        for index, phase in enumerate(config.phases)
    ]
    headings = ["phase", "epochs", "learning rate", "augmented", "pseudo-labelled"]
    base.print_table(headings, rows, {"epochs"})


def _show_cost(about: Cost) -> None:
    memory = about["activation_bytes_per_batch"] / 2**20
    base.say(f"cost        {about['multiply_adds_per_image']:,} multiply-adds an image forward")
    base.say(
        f"            {about['images_to_train']:,} images to train on, {memory:.1f} MiB a batch"
    )
    seconds = about["estimated_train_s"]
    if seconds is None:
        base.say("            time unknown; `mnistladder ladder --all --dry-run` measures it")
    else:
        how = "measured on this machine" if about["estimated_from"] == "calibration" else "scaled"
        base.say(f"            about {tables.duration(seconds)} of one core, by speeds {how}")
