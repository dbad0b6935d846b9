"""Well-known networks that a user can write in YAML alone, and that train."""

import pytest

from mnistladder.config.loading import load_rung
from mnistladder.environment import CPU
from mnistladder.ladder.attempts import Attempt
from mnistladder.ladder.climb import Ladder, Success
from mnistladder.ladder.executors import InProcess

LENET = """\
title: LeNet-5
model:
  - normalize
  - conv: {out: 6, kernel: 5}
  - tanh
  - avgpool
  - conv: {out: 16, kernel: 5, padding: valid}
  - tanh
  - avgpool
  - flatten
  - dense: {out: 120}
  - tanh
  - dense: {out: 84}
  - tanh
  - dense: {out: 10}
phases:
  - {epochs: 4, lr: {from: 1e-4, to: 3e-3, shape: exponential, per: epoch}}
"""
BLOCK = """\
  - conv: {{out: {out}, padding: valid, bias: false, init: he_normal}}
  - batchnorm: {{momentum: 0.1}}
  - relu
"""
FIVE_BLOCKS = (
    "title: Five blocks\nmodel:\n  - normalize\n"
    + "".join(BLOCK.format(out=out) for out in (8, 8, 16, 16, 24))
    + """\
  - globalavgpool
  - dense: {out: 10}
optimizer: {name: sgd, momentum: 0.9, nesterov: true}
label_smoothing: 0.05
clip_norm: 5.0
phases:
  - {epochs: 10, lr: {from: 0.05, to: 0.001, shape: cosine}}
"""
)


@pytest.mark.parametrize(
    ("text", "parameters", "errors"), [(LENET, 61_706, 120), (FIVE_BLOCKS, 7_954, 150)]
)
def test_network_written_in_yaml_alone_trains(tmp_path, source, text, parameters, errors):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    attempt = Attempt(load_rung(str(path)), 0, source)
    assert attempt.rung.config.parameters == parameters
    ladder = Ladder([attempt], tmp_path / "runs")
    [outcome] = ladder.climb(InProcess(tmp_path / "runs", CPU, print), print)
    assert isinstance(outcome, Success)
    assert outcome.record.errors < errors, "guessing makes 230 errors of 256"
