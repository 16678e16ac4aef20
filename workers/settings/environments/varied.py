"""The distribution of what varies between environments."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from workers.settings.section import Section, setting


class Varied(Section):
    """The distribution of a number over tasks: exactly one of these."""

    uniform: tuple[float, float] | None = setting(None, "uniform in [low, high), low < high")
    loguniform: tuple[float, float] | None = setting(
        None, "log-uniform in [low, high), 0 < low < high"
    )
    choice: (
        Annotated[
            tuple[Annotated[int, Field(ge=-(2**53), le=2**53)] | float, ...], Field(min_length=2)
        ]
        | None
    ) = setting(None, "one of these with equal probability, >= 2")

    @model_validator(mode="after")
    def _one(self) -> Self:
        names = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(names) != 1:
            raise ValueError(f"give one of uniform, loguniform, choice, not {names or 'none'}")
        name, bounds = names[0], self.uniform or self.loguniform
        if bounds and not bounds[0] < bounds[1]:
            raise ValueError(f"{name} = {list(bounds)}; low must be below high")
        if self.loguniform and not self.loguniform[0] > 0:
            raise ValueError(f"{name} = {list(self.loguniform)}; low must be above 0")
        return self
