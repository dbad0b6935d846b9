"""Progress in a notebook: one bar, drawn in place. Elsewhere a program sees no progress."""

import sys
from html import escape
from typing import Any

from mnistladder.ladder.climb import Ladder
from mnistladder.ladder.events import EpochDone, Event, Failed, Finished, Notice, Started


def is_notebook() -> bool:
    """Whether a notebook runs this. IPython in a terminal is none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return hasattr(shell, "kernel")


class Bar:
    """Takes the events of training; shows epochs done of all, and the latest epoch."""

    def __init__(self, ladder: Ladder) -> None:
        from IPython.display import HTML, display

        self._html = HTML
        self.total = sum(stage.epochs for stage in ladder.missing.values())
        self.done = 0
        self.text = ""
        self.handle: Any = display(self._drawn(), display_id=True)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.done += event.epochs_done
        elif isinstance(event, EpochDone):
            row = event.row
            self.done += 1
            self.text = f"loss {row.loss:.4f}, {row.test_errors:,} test errors"
        elif isinstance(event, Notice | Failed):
            self.text = event.text
        elif isinstance(event, Finished):
            return
        self.handle.update(self._drawn())

    def _drawn(self) -> Any:
        bar = f'<progress value="{self.done}" max="{max(self.total, 1)}"></progress>'
        return self._html(f"{bar} epoch {self.done:,} of {self.total:,} {escape(self.text)}")
