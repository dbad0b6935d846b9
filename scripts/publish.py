"""Puts the results of a runs folder onto the committed board: `scripts/publish.py runs`.

Copies the result records (not the networks) to results/, with the predictions of every rung's first
seed, and derives results/leaderboard.json.
"""

import sys
from pathlib import Path

from mnistladder.runs import leaderboard, predictions, results

BOARD = Path(__file__).parents[1] / "results"


def main() -> None:
    runs = Path(sys.argv[1])
    for record in results.all_results(runs):
        leaderboard.add_result(BOARD, record)
        if record.seed == 0 and not record.overrides:
            predictions.publish(record, runs, BOARD)
        print(record.rung, record.seed, record.errors)


if __name__ == "__main__":
    main()
