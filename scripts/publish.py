"""Puts the results of a runs folder onto the committed board: `scripts/publish.py runs`.

Copies the result records (not the networks) to results/ and derives results/leaderboard.json.
"""

import sys
from pathlib import Path

from mnistladder import results

BOARD = Path(__file__).parents[1] / "results"


def main() -> None:
    for record in results.all_results(Path(sys.argv[1])):
        results.add_result(BOARD, record)
        print(record["rung"], record["seed"], record["errors"])


if __name__ == "__main__":
    main()
