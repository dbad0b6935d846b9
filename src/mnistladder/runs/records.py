"""What the JSON files of a runs folder hold: one frozen class for each kind of record.

Older records lack fields that came later; the defaults below stand for them, and nothing else
does. A newer version may add fields: they are kept, so that its records load here, `verify` sees
them, and the leaderboard that is rebuilt here still has them.
"""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError

from mnistladder import sealed
from mnistladder.data import holdout
from mnistladder.errors import CorruptError, one_line
from mnistladder.sealed import SCHEMA

Item = TypeVar("Item")
Listed = Annotated[tuple[Item, ...], Strict(False)]  # strictness would refuse the lists of JSON
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]  # becomes part of a path
FileName = Literal["checkpoint.safetensors", "probabilities.npy", "history.jsonl", "config.yaml"]
Pair = Annotated[tuple[Item, Item], Strict(False)]

NOT_NUMBERS = str, list, dict
LONGEST_VALUE = 40  # characters of a wrong value that a message shows
IN_PLAIN_WORDS = {
    "missing": "is missing",
    "model_type": "should be a mapping",
    "dict_type": "should be a mapping",
    "tuple_type": "should be a list",
    "string_pattern_mismatch": "has another form than such a field has",
}


class Record(BaseModel):
    """Fields with their types, as JSON has them; the class is built when it is first used."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def parse(cls, content: object, where: str) -> Self:
        """The record of plain data, its text safe for a terminal.

        Raises CorruptError, which names the first wrong field.
        """
        try:
            return cls.model_validate(_cleaned(content))
        except ValidationError as error:
            raise CorruptError(f"{where}: {_first_mistake(error)}") from None
        except RecursionError:
            raise CorruptError(f"{where}: nested too deeply") from None

    def plain(self) -> dict[str, object]:
        """The record as JSON data, in the order of its class, without what it does not state."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _cleaned(content: object) -> object:
    """Plain data with every text on one line, and without what a terminal would obey.

    Raises RecursionError.
    """
    if isinstance(content, str):
        return one_line(content)
    if isinstance(content, list):
        return [_cleaned(item) if isinstance(item, NOT_NUMBERS) else item for item in content]
    if isinstance(content, dict):
        return {one_line(str(key)): _cleaned(value) for key, value in content.items()}
    return content


def _first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = f"field `{'.'.join(map(str, first['loc']))}`" if first["loc"] else "the record"
    message = first["msg"].replace("Input should be", "should be")
    what = f"{name} {IN_PLAIN_WORDS.get(first['type'], message)}"
    if first["type"] == "missing":
        return what
    value = repr(first["input"])
    short = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}..."
    return f"{what}, but is {short}"


class Sealed(Record):
    """A record in a file of its own; the file also has the hash of it."""

    schema_version: int = Field(SCHEMA, alias="schema")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file. Raises CorruptError."""
        content = sealed.unseal(sealed.read(path, sealed.Limit.RECORD), str(path))
        return cls.parse(content, str(path))


class HistoryRow(Record):
    """One epoch of one network."""

    loss: float  # mean over the epoch's training images
    test_loss: float
    test_errors: int
    eval_s: float  # seconds
    epoch: int  # from 1, through all stages of the network
    phase: int  # from 0
    lr: float | Pair[float]  # the learning rate; of one that moves, the first and the last
    images: int  # trained on, repeats counted
    train_s: float  # seconds


class DataIdentity(Record):
    """The data set that something was measured on; with a holdout, a part of its training set."""

    name: str
    sha256: str
    holdout: int | None = None  # the last training images that were its test images


class GitState(Record):
    """The checkout that the code ran from; None for an installed package."""

    commit: str | None
    dirty: bool | None


class StageRecord(Sealed):
    """record.json of a finished stage; times are sums over all its sittings."""

    key: Name  # also the name of the folder
    seed: int
    epochs: int
    images_seen: int  # repeats counted
    train_s: float  # seconds
    total_s: float  # seconds, with evaluation
    test_errors: int
    weights_sha256: str
    data: DataIdentity
    test_images: int
    resumed: int  # how many times training went on after an interruption
    stacked: bool = False  # whether it trained side by side with other networks
    previous: Name | None = None  # the key of the network's stage before
    teachers: Listed[Name] = ()  # keys of the stages whose average labelled the pool
    started: str  # ISO 8601, UTC
    ended: str  # ISO 8601, UTC
    precision: str
    device: str
    device_name: str
    cpu_capability: str
    threads: int
    versions: dict[str, str | None]
    git: GitState
    files: dict[FileName, str] = {}  # SHA-256 by file name


class StageProgress(Sealed):
    """progress.json of a stage in training."""

    key: Name | None = None  # the stage's, as its folder is named; older ones do not say
    seed: int | None = None  # the network's; older ones do not say
    file: str = Field(pattern=r"^epoch-\d+\.safetensors$")  # the checkpoint beside it
    file_sha256: str
    history: Listed[HistoryRow] = Field(min_length=1)
    resumed: int
    stacked: bool = False


class PublishedPredictions(Sealed):
    """predictions/<id>.json: what a result's networks, averaged, say of every test image."""

    result_id: Name  # also the name of the file
    predicted: str = Field(pattern=r"^[0-9]*$")  # a digit for each image
    confidence: str  # base64 of float32, little endian: the probability of each prediction


class Curve(Record):
    """Means over a result's networks after each epoch."""

    loss: Listed[float]  # of training
    test_accuracy: Listed[float]  # percent


class BoardRow(Sealed):
    """A result as leaderboard.json lists it: all but the fields that are large."""

    result_id: Name  # also the name of the file
    rung: Name  # also the name of the folder
    overrides: Listed[str]
    title: str
    published_accuracy: float | None  # percent
    published_remark: str | None = None
    config: dict[str, object] | None = None  # only in the result's own file
    config_sha256: str
    engine: int = 1
    plugins: dict[str, str] = {}  # layers of other packages, and these packages' versions
    seed: int
    members: int
    parameters: int  # of one network
    multiply_adds: int  # of one image forward
    epochs: int  # of one network
    transductive: bool
    views: int = 1  # of each test image, averaged
    member_keys: Listed[Name]  # of each network's last stage
    member_seeds: Listed[int]
    member_errors: Listed[int]
    test_images: int  # that are scored
    scored: Pair[int] | None = None  # the first of them, and the end
    errors: int
    accuracy: float  # percent
    loss: float
    per_class_errors: Listed[int]
    dead_classes: int = 0  # digits that are never predicted
    wrong_images: Listed[int] | None = None  # only in the result's own file
    predictions_sha256: str
    curve: Curve | None = None  # only in the result's own file
    weights_sha256: Listed[str]  # of each network
    stacked: Listed[bool] = ()  # of each stage
    images_seen: int  # repeats counted
    train_s: float  # seconds
    total_s: float  # seconds, with evaluation
    images_per_s: int
    device: str
    data: DataIdentity
    device_name: str
    cpu_capability: str
    threads: int
    precision: str
    versions: dict[str, str | None]
    git: GitState
    started: str  # ISO 8601, UTC
    ended: str  # ISO 8601, UTC

    @property
    def label(self) -> str:
        """What users call the result."""
        marks = holdout.words(self.data.holdout)
        return " ".join([self.rung, *self.overrides, *marks, f"seed {self.seed}"])

    @property
    def where(self) -> str:
        """How a message names the record itself."""
        return f"{self.rung} seed {self.seed} ({self.result_id})"

    @property
    def span(self) -> tuple[int, int]:
        """The first scored test image, and the end; older records score all."""
        return self.scored or (0, self.test_images)


class ResultRecord(BoardRow):
    """results/<rung>/<id>.json: a whole result."""

    config: dict[str, object]
    wrong_images: Listed[int]  # numbers in the test set
    curve: Curve

    def listed(self) -> BoardRow:
        """The result without its large fields, which can be read from its record."""
        large = {"config", "wrong_images", "curve"}
        return BoardRow.model_validate(
            {name: value for name, value in self.plain().items() if name not in large}
        )
