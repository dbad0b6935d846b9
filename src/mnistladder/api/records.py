"""Results of a program: typed records, which also become a table of pandas."""

from typing import TYPE_CHECKING

from mnistladder.errors import UsageError
from mnistladder.runs.records import ResultRecord

if TYPE_CHECKING:
    import pandas

COLUMNS = (
    "rung",
    "seed",
    "errors",
    "accuracy",
    "loss",
    "test_images",
    "members",
    "parameters",
    "epochs",
    "train_s",
    "total_s",
    "device",
    "ended",
    "result_id",
)


class Results(tuple[ResultRecord, ...]):
    """Result records, in order; shown in one line each."""

    def __repr__(self) -> str:
        return "\n".join(map(_line, self)) or "no results"

    def to_pandas(self) -> "pandas.DataFrame":
        """A table with a row for each result. Times are in seconds, `accuracy` is in percent.

        `holdout` is missing for results on the test images. Raises UsageError without pandas.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas() needs a package: pip install pandas") from None
        rows = [
            {
                **{name: getattr(record, name) for name in COLUMNS},
                "overrides": " ".join(record.overrides),
                "holdout": record.data.holdout,
            }
            for record in self
        ]
        table = pandas.DataFrame(rows, columns=[*COLUMNS, "overrides", "holdout"])
        return table.astype({"holdout": "Int64"})


def _line(record: ResultRecord) -> str:
    errors = f"{record.errors:,} errors of {record.test_images:,}"
    return f"{record.label}: {record.accuracy:.2f} % ({errors})"
