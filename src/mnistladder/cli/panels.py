"""The groups of commands in `--help`, in the order in which a user needs them."""

from typing import Any

from typer.core import TyperCommand, TyperGroup

PANELS = {
    "Train": ("new", "import-data", "run", "ladder", "sweep", "ablate"),
    "Look": ("list", "show", "layers", "explain", "data", "report", "leaderboard"),
    "Compare": ("compare", "errors", "gallery"),
    "Use": ("predict", "export"),
    "Check": ("doctor", "validate", "schema", "check", "verify", "reproduce"),
}
PANEL_OF = {name: panel for panel, names in PANELS.items() for name in names}


class Panels(TyperGroup):
    """The app's commands by panel, whatever the order in which modules are imported."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        known = [name for name in PANEL_OF if name in self.commands]
        others = [name for name in self.commands if name not in PANEL_OF]
        self.commands = {name: self.commands[name] for name in [*known, *others]}
        for name in known:
            command = self.commands[name]
            if isinstance(command, TyperCommand):
                command.rich_help_panel = PANEL_OF[name]
