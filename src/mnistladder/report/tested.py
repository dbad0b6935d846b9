"""How many recipes of one name were tried on the same test images.

Whoever changes a recipe after its result on the test images, and tests again, chooses on them. The
records show that, as far as they are there. A deleted record, another runs folder, and a config
under another name are not seen. So the true number may be larger, never smaller.
"""

from collections.abc import Iterable, Mapping

from mnistladder.config.loading import shipped_names, variant_names
from mnistladder.report.groups import Identity
from mnistladder.runs.records import BoardRow


def times_tested(identities: Iterable[Identity]) -> dict[tuple[str, str], int]:
    """By rung and data hash, how many recipes have results.

    Other seeds, engines and titles do not count: they are no other recipe.
    """
    recipes: dict[tuple[str, str], set[str]] = {}
    for key in identities:
        recipes.setdefault((key.rung, key.data_sha256), set()).add(key.config_sha256)
    return {where: len(found) for where, found in recipes.items()}


def tested(result: BoardRow, times: Mapping[tuple[str, str], int]) -> int | None:
    """How often the recipe of this name was tested, from `times_tested`.

    None for a rung or variant as shipped, which nobody chooses here, and on a holdout, which is
    there to choose on.
    """
    is_shipped = not result.overrides and result.rung in (*shipped_names(), *variant_names())
    if is_shipped or result.data.holdout is not None:
        return None
    return times[result.rung, result.data.sha256]
