"""evaluation.json as the pages read it: of this version or an older one, checked."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestrator.storage import Storage

NAME = "evaluation.json"
Score = dict[str, float]


class Evaluation(BaseModel):
    """Scores on the test tasks. before, after: rows of per_step, which begins with inner step 0.

    metric, sign: what decides, and 1 if more of it is better; older versions did not say.
    """

    model_config = ConfigDict(frozen=True)

    protocol: dict[str, Any]
    before: Score
    after: Score
    per_step: list[Score] = Field(min_length=1)
    checkpoint: str
    theta_sha256: str
    metric: str
    sign: Literal[1, -1]

    @model_validator(mode="before")
    @classmethod
    def _older(cls, table: Any) -> Any:
        if not isinstance(table, dict) or "metric" in table:
            return table
        metric = "accuracy" if "accuracy" in table.get("after", {}) else "loss"
        return {"metric": metric, "sign": 1 if metric == "accuracy" else -1, **table}

    @model_validator(mode="after")
    def _whole(self) -> "Evaluation":
        for row in (self.before, self.after, *self.per_step):
            if not {self.metric, f"{self.metric}_ci95"} <= row.keys():
                raise ValueError(f"a row without {self.metric} and its interval")
        steps = self.protocol.get("inner_steps")
        if not isinstance(steps, int) or not 0 <= steps < len(self.per_step):
            raise ValueError(f"protocol.inner_steps = {steps}, but {len(self.per_step)} rows")
        return self

    @property
    def inner_steps(self) -> int:
        """Those that validation chose."""
        return int(self.protocol["inner_steps"])

    @property
    def metrics(self) -> list[str]:
        """What was measured with an interval at every inner step; what decides stands first."""
        names = [n for n in self.per_step[0] if all(f"{n}_ci95" in row for row in self.per_step)]
        return sorted(names, key=lambda name: name != self.metric)


def read_evaluation(storage: Storage) -> Evaluation | None:
    """The run's scores; None where it has none yet.

    Raises:
      ValueError: the file is not what a run writes.
    """
    if not storage.exists(NAME):
        return None
    try:
        return Evaluation.model_validate_json(storage.read(NAME))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        what = f"{place}: {first['msg']}" if place else first["msg"]
        raise ValueError(
            f"{storage.place(NAME)} is not what a run writes ({what}); delete it, or have it made "
            "anew by metatrain train --resume"
        ) from None
