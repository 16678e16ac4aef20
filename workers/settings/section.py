"""How the configuration's tables are declared.

Each field says what it is, its unit and its range. `bits=False` marks those that cannot change
the weights; all others are hashed into a run's identity.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A table of the configuration: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Record(Section):
    """A table that its `kind` chooses among several, with all that the rest must know of the kind.

    never_kept: key -> why; dropped from the settings of another kind when this one takes its place.
    advice: from what was kept of another kind to a remark about it, "" for none.
    """

    if TYPE_CHECKING:
        kind: str

    never_kept: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def advice(cls, kept: Mapping[str, Any]) -> str:
        """Remark on the settings that another kind has left to this one; "" for no remark."""
        return ""

    @property
    def modules(self) -> list[str]:
        """List the user's modules that it imports from its `folder`."""
        return []

    @property
    def files(self) -> Mapping[str, str]:
        """Map how the user names each file that it reads from its `folder` to its place there."""
        return {}


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
