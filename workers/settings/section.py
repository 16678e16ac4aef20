"""How the configuration's tables are declared.

Each field says what it is, its unit and its range. `bits=False` marks those that cannot change
the weights; all others are hashed into a run's identity.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the configuration: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def setting(
    default: Any, description: str, *, bits: bool = True, place: str = "", **constraints: Any
) -> Any:
    """Declare a field: what it is, and whether changing it changes the weights.

    Of a path `place` says where a file's relative one counts from: "here", where the file is; or
    "data", there or in the data folder.
    A field with bounds takes numbers only: no truth values, no numbers as text.
    """
    numeric = constraints.keys() & {"ge", "gt", "le", "lt"}
    strict: dict[str, Any] = {"strict": True} if numeric else {}
    return Field(
        default,
        description=description,
        json_schema_extra={"bits": bits, "place": place},
        validate_default=True,
        **strict,
        **constraints,
    )
