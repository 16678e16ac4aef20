"""evaluation.json, the result of a run: scores on the test tasks, and their protocol."""

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    computed_field,
    model_validator,
)

from orchestrator.config.score_unit import Unit, unit_in
from orchestrator.records.divergence import diverged_steps
from orchestrator.records.verdict import warnings_of
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import FORMAT_VERSION, check_version, dumps, loads, numbers_of
from workers.metrics import called

EVALUATION_FILE = "evaluation.json"
#: Numbers by name; those of inner steps that diverge need not be finite.
Score = Annotated[dict[str, int | float], BeforeValidator(numbers_of)]


class Result(BaseModel):
    """The result of a run: scores by inner step, and their protocol.

    protocol: see `evaluation_protocol.protocol`.
    per_step: scores by inner step, from 0.
    checkpoint: name of the evaluated checkpoint.
    theta_sha256: sha256 of its theta.
    metric: the metric that decides; older versions did not write it.
    sign: 1 if more of this metric is better, else -1; older versions did not write it.
    queries_alone: for a transductive model, the scores after the chosen inner steps with each query
      normalized by the support set alone, and the name of that normalization; else None.
    by_size: the scores of tasks of other ways and shots, a row for each, see
      `run.scores_by_size`; None if none were asked for.
    by_domain: the scores of the tasks of each data set, a row for each, see
      `records.domain_scores`; None if tasks are not each of one.
    calibration: the coverage of sets or intervals on the test tasks, and the error of
      probabilities, see `calibration.measured.measure`; None if predictions are not calibrated.
    tasks: `TaskScores` of this evaluation, which have a file of their own; None when read.
    support: `SupportLosses` at the end of training, which have a file of their own; else None.
    format_version: version of the format.
    """

    model_config = ConfigDict(frozen=True)

    protocol: dict[str, Any]
    per_step: list[Score] = Field(min_length=1)
    checkpoint: str
    theta_sha256: str
    metric: str
    sign: Literal[1, -1]
    queries_alone: dict[str, Any] | None = None
    by_size: list[dict[str, Any]] | None = None
    by_domain: list[dict[str, Any]] | None = None
    calibration: dict[str, Any] | None = None
    tasks: Any = Field(None, exclude=True)
    support: Any = Field(None, exclude=True)
    format_version: int = FORMAT_VERSION

    @computed_field  # type: ignore[prop-decorator]
    @property
    def before(self) -> Score:
        """The scores at inner step 0."""
        return self.per_step[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def after(self) -> Score:
        """The scores after as many inner steps as validation chose."""
        return self.per_step[self.inner_steps]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def warnings(self) -> list[str]:
        """Sentences on what is wrong with the scores and what to try, the worst first."""
        return warnings_of(self)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def diverged(self) -> list[int]:
        """The inner steps at which adaptation diverges."""
        return diverged_steps(self.per_step, self.metric)

    @model_validator(mode="before")
    @classmethod
    def _older(cls, table: Any) -> Any:
        if not isinstance(table, dict) or "metric" in table:
            return table
        metric = "accuracy" if "accuracy" in str(table.get("per_step")) else "loss"
        return {"metric": metric, "sign": 1 if metric == "accuracy" else -1, **table}

    @model_validator(mode="after")
    def _whole(self) -> "Result":
        for row in self.per_step:
            if not {self.metric, f"{self.metric}_ci95"} <= row.keys():
                raise ValueError(f"a row without {self.metric} and its interval")
        name, steps = self._chosen
        first = self.unit.first
        if not isinstance(steps, int) or not first <= steps < len(self.per_step) + first:
            raise ValueError(f"protocol.{name} = {steps}, but {len(self.per_step)} rows")
        return self

    @property
    def unit(self) -> Unit:
        """The unit that the rows of `per_step` are counted by."""
        return unit_in(self.protocol)

    @property
    def _chosen(self) -> tuple[str, Any]:
        """The row that validation chose, by its name and its number in the protocol."""
        name = self.unit.key if self.unit.first else "inner_steps"
        return name, self.protocol.get(name)

    @property
    def called(self) -> str:
        """The name of the deciding metric for people; for a loss, which loss it is."""
        if self.metric == "loss":
            return str(self.protocol.get("loss", self.metric))
        return called(self.metric)

    @property
    def inner_steps(self) -> int:
        """The number of inner steps that validation chose: the row of `per_step`."""
        return int(self._chosen[1]) - self.unit.first

    @property
    def gain(self) -> tuple[float, float]:
        """The gain of adaptation in the deciding metric, > 0 if it helps, and its interval.

        The interval is over the gains of the tasks. Scores of older versions have only the
        intervals of both means, which are combined as if of different tasks: it is wider.
        """
        before, after, interval = self.before, self.after, f"{self.metric}_ci95"
        gain = self.sign * (after[self.metric] - before[self.metric])
        unpaired = math.hypot(before[interval], after[interval])
        return gain, after.get(f"{self.metric}_gain_ci95", unpaired)

    @property
    def metrics(self) -> list[str]:
        """The metrics with an interval at every inner step, the deciding one first."""
        return sorted(self.measured, key=lambda name: name != self.metric)

    @property
    def measured(self) -> list[str]:
        """The metrics with an interval at every inner step, in the order of the file."""
        return [
            name
            for name in self.per_step[0]
            if all({name, f"{name}_ci95"} <= row.keys() for row in self.per_step)
        ]

    def to_json(self) -> str:
        """Return the content of evaluation.json."""
        return dumps(self.model_dump(), indent=1)


def read_result(storage: Storage) -> Result | None:
    """Read the result of a run; return None if it has none yet.

    Raises:
      ValueError: the file is not what a run writes.
    """
    if not storage.exists(EVALUATION_FILE):
        return None
    place = storage.place(EVALUATION_FILE)
    try:
        table = loads(storage.read(EVALUATION_FILE))
    except ValueError as error:
        raise _not_ours(place, f"it is not JSON: {error}") from None
    check_version(table, place)
    try:
        return Result.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _not_ours(place, f"{where}: {first['msg']}" if where else first["msg"]) from None


def _not_ours(place: str, what: str) -> ValueError:
    return ValueError(
        f"{place} is not what a run writes ({what}); delete it, or recreate it with metatrain "
        "train --resume"
    )
