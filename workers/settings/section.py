"""The declaration of the configuration's tables.

Each field has a description with unit and range. `bits=False` marks fields that cannot change the
weights; all others are hashed into a run's identity.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag


def _ordered(value: tuple[int, int]) -> tuple[int, int]:
    if value[0] > value[1]:
        raise ValueError("the least comes first, then the most, such as [1, 10]")
    return value


def _form(value: Any) -> str:
    return "range" if isinstance(value, (list, tuple)) else "number"


_Number = Annotated[int, Field(strict=True, ge=1, le=10**5)]
_Range = Annotated[tuple[_Number, _Number], AfterValidator(_ordered)]
#: Examples of a class, or of a task: a number, or the range [least, most] that one is drawn from.
Size = Annotated[
    Annotated[_Number, Tag("number")] | Annotated[_Range, Tag("range")], Discriminator(_form)
]
_List = Annotated[tuple[_Number, ...], Field(min_length=1)]
#: A number, a range of two, or a list of numbers.
Sizes = Annotated[
    Annotated[_Number, Tag("number")] | Annotated[_List, Tag("range")], Discriminator(_form)
]
_Several = Annotated[int, Field(strict=True, ge=2, le=10**5)]
_SeveralRange = Annotated[tuple[_Several, _Several], AfterValidator(_ordered)]
#: Classes of a task, likewise.
Ways = Annotated[
    Annotated[_Several, Tag("number")] | Annotated[_SeveralRange, Tag("range")],
    Discriminator(_form),
]
#: One number of classes, or a list of them that may be empty.
WaysList = Annotated[
    Annotated[_Several, Tag("number")] | Annotated[tuple[_Several, ...], Tag("range")],
    Discriminator(_form),
]


class Section(BaseModel):
    """A table of the configuration. It is immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Record(Section):
    """A table selected by its `kind`, with all that other code needs to know about the kind.

    never_kept: key -> reason. When this kind replaces another one, or another one replaces it,
      these settings are dropped.
    """

    if TYPE_CHECKING:
        kind: str

    never_kept: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def advice(cls, kept: Mapping[str, Any]) -> str:
        """Remark on settings that this kind has kept from the one it replaces; "" for no remark."""
        return ""

    @property
    def modules(self) -> list[str]:
        """The user's modules that it imports from its `folder`."""
        return []

    @property
    def files(self) -> Mapping[str, str]:
        """The files that it reads from its `folder`: the user's name for each -> its path there."""
        return {}


def setting(
    default: Any,
    description: str,
    *,
    bits: bool = True,
    later: bool = False,
    place: str = "",
    **constraints: Any,
) -> Any:
    """Declare a field.

    A field with bounds accepts only numbers: no booleans, no numbers as text.

    Args:
      default: its default value.
      description: with unit and range.
      bits: whether a change of the field can change the weights.
      later: whether there were runs before there was the field: it counts among what decides bits
        only where it is not the default, so that their identity stays.
      place: for a path, the base of a relative one in a configuration file: "here", the file's
        folder; "data", that folder or the data folder.
      constraints: of pydantic: ge, gt, le, lt.
    """
    numeric = constraints.keys() & {"ge", "gt", "le", "lt"}
    strict: dict[str, Any] = {"strict": True} if numeric else {}
    return Field(
        default,
        description=description,
        json_schema_extra={"bits": bits, "later": later, "place": place},
        validate_default=True,
        **strict,
        **constraints,
    )


def ways_setting() -> Any:
    """Declare the field `ways` of a family whose tasks are some classes of many."""
    return setting(
        None,
        "classes per task, 2 to 10^5, or a range such as [2, 50], of which each task draws, for "
        "heads that are computed; unset: 5, or what the smallest split has",
    )
