"""What a program calls; the commands are made of the same parts. Nothing here prints."""

from mnistladder.api.calls import compare, results, run
from mnistladder.api.networks import Networks, load
from mnistladder.api.records import Results
from mnistladder.api.references import Rung

__all__ = ["Networks", "Results", "Rung", "compare", "load", "results", "run"]
