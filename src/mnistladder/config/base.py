"""The base of all that a config file may say."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Strict base: no unknown keys, no conversion of types, no infinities."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)
