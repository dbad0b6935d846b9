from mnistladder.api import Rung as Rung
from mnistladder.api import compare as compare
from mnistladder.api import load as load
from mnistladder.api import results as results
from mnistladder.api import run as run

__version__: str
