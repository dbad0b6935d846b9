"""Labels that do not begin at zero: two public meanings, and the user says which one is right."""

from enum import StrEnum

import numpy as np

from mnistladder.data.idx import Bytes
from mnistladder.errors import DataError
from mnistladder.task import CLASSES

# What the labels 0 to 9 of the named data sets mean.
DIGITS = "the digits 0 to 9"
MEANINGS = {
    "mnist": DIGITS,
    "qmnist": DIGITS,
    "emnist_digits": DIGITS,
    "fashion_mnist": "T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, boot",
    "kmnist": "the hiragana o, ki, su, tsu, na, ha, ma, ya, re, wo",
}
MOST_SHOWN = 12  # of labels that do not follow each other


class LabelMeaning(StrEnum):
    """What the labels of a data set mean; the value is what `--labels` takes."""

    AS_IS = "as-is"
    MINUS_ONE = "minus-one"  # each is one too high, as in EMNIST letters
    TEN_IS_ZERO = "ten-is-zero"  # 10 means the digit 0, as in the first files of SVHN


def corrected(labels: Bytes, meaning: LabelMeaning) -> Bytes:
    """The labels from 0 on, by their meaning. Raises DataError if that cannot be their meaning."""
    if meaning is LabelMeaning.AS_IS:
        return labels
    if (labels == 0).any():
        raise DataError(f"labels {in_words(labels)}; `--labels {meaning}` is for labels from 1 on")
    if meaning is LabelMeaning.MINUS_ONE:
        return labels - np.uint8(1)
    return np.where(labels == CLASSES, 0, labels).astype(np.uint8)


def label_problem(labels: Bytes) -> str | None:
    """What is wrong with labels, and what may be their meaning; None if all are from 0 to 9."""
    if labels.max() < CLASSES:
        return None
    text = f"labels {in_words(labels)}; expected 0 to {CLASSES - 1}"
    if labels.min() == 0:
        return text
    if labels.max() > CLASSES:
        return (
            f"{text}; each seems to be one too high (`--labels {LabelMeaning.MINUS_ONE}` of "
            f"`mnistladder import-data`), and there are more than {CLASSES} classes"
        )
    return (
        f"{text}; `mnistladder import-data FOLDER --to NEW` writes a right copy with "
        f"`--labels {LabelMeaning.MINUS_ONE}` if each is one too high, or with "
        f"`--labels {LabelMeaning.TEN_IS_ZERO}` if {CLASSES} means 0"
    )


def in_words(labels: Bytes) -> str:
    """Which labels there are: `1 to 10`, or `0, 3, 7`."""
    present = np.unique(labels).tolist()
    if len(present) > 2 and present[-1] - present[0] == len(present) - 1:
        return f"{present[0]} to {present[-1]}"
    more = ["..."] if len(present) > MOST_SHOWN else []
    return ", ".join([*map(str, present[:MOST_SHOWN]), *more])
