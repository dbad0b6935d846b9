"""Puts the networks of a runs folder into the package: `scripts/ready.py runs`.

Copies the first seed of each rung to src/mnistladder/ready/: its record, its predictions, and the
weights of its networks. The record is the committed board's where that has the same weights.
"""

import sys
from pathlib import Path

from mnistladder.config.loading import shipped_names
from mnistladder.runs import publishing, ready, results

BOARD = Path(__file__).parents[1] / "results"
MOST_BYTES = 10_000_000


def main() -> None:
    runs = Path(sys.argv[1])
    for record in results.all_results(runs):
        if record.seed or record.overrides or record.rung not in shipped_names():
            continue
        known = results.find_result(BOARD, record.rung, record.result_id)
        is_same = known is not None and known.weights_sha256 == record.weights_sha256
        publishing.publish(known if known and is_same else record, runs, ready.FOLDER)
        print(record.rung, record.errors, "as on the board" if is_same else "not on the board")
    size = sum(path.stat().st_size for path in ready.FOLDER.rglob("*") if path.is_file())
    print(f"{size:,} bytes of at most {MOST_BYTES:,}")
    sys.exit(size > MOST_BYTES)


if __name__ == "__main__":
    main()
