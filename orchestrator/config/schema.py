"""The whole configuration of a run: one schema for TOML, presets, dotted overrides and Python.

Layers merge as plain tables and are validated once, so that every error names a key, its value
and what is allowed. Nothing here imports TensorFlow or Ray.
"""

import copy
import hashlib
import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError, ValidationInfo, model_validator

from orchestrator.config.defaults import describe_defaults, fill
from orchestrator.config.driver_settings import (
    CheckpointSettings,
    EvaluationSettings,
    OuterSettings,
    PoolSettings,
    TrackingSettings,
)
from orchestrator.config.errors import explain
from orchestrator.config.keys import bits_of, places_of
from orchestrator.config.kinds import TO_THE_DEFAULT
from orchestrator.config.layers import flatten as flatten
from orchestrator.config.layers import merge as merge
from orchestrator.config.layers import set_key as set_key
from orchestrator.config.ranges import check_ranges
from orchestrator.config.sources import PRESETS as PRESETS
from orchestrator.config.sources import Table, anchored, check_depth, layers, parse_toml
from orchestrator.config.sources import preset_file as preset_file
from orchestrator.config.sources import presets as presets
from orchestrator.config.sources import read_table as read_table
from orchestrator.text.credentials import check_table
from orchestrator.text.plain_text import shortened
from workers.settings.section import setting
from workers.settings.tasks import TaskSettings
from workers.settings.worker import ActorSettings


class MetaConfig(ActorSettings):
    """The configuration of a run: the actors' settings and the driver's."""

    task: TaskSettings
    name: str = setting("run", "name of the run in its folder and pictures", bits=False)
    outer: OuterSettings = OuterSettings()
    workers: PoolSettings = PoolSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()
    tracking: TrackingSettings = TrackingSettings()

    @property
    def worker(self) -> ActorSettings:
        """The part that is sent to the actors."""
        names = ActorSettings.model_fields
        return ActorSettings(**{name: getattr(self, name) for name in names})

    @property
    def block_size(self) -> int:
        """Number of tasks per block: eight blocks a step, or few large ones if vectorized."""
        if self.workers.block_size is not None:
            return self.workers.block_size
        if self.execution[0] == "vectorized":
            return min(self.outer.meta_batch_size, 512)
        return -(-self.outer.meta_batch_size // 8)

    def bits(self) -> Table:
        """Return dotted name -> value of every setting that decides the weights."""
        table = flatten(bits_of(self))
        mode, xla = self.execution
        table |= {"workers.block_size": self.block_size, "runtime.execution": mode}
        table["runtime.xla"] = xla
        # The identity of runs from before there was the choice stays.
        table.pop("runtime.inner_memory", None)
        if self.inner_memory == "recompute":
            table["runtime.inner_memory"] = "recompute"
        if self.outer.growable:
            del table["outer.steps"]
        return table

    def bits_hash(self) -> str:
        """Return the sha256 of `bits`."""
        return hashlib.sha256(json.dumps(self.bits(), sort_keys=True).encode()).hexdigest()

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, table: Any, info: ValidationInfo) -> Any:
        """Fill open keys with the defaults of the family of tasks; see `validate`."""
        return fill(table) if isinstance(table, Mapping) and not info.context else table

    @model_validator(mode="after")
    def _driver_fits(self) -> "MetaConfig":
        if self.outer.warmup_steps >= self.outer.steps and self.outer.warmup_steps:
            raise ValueError(
                f"outer.warmup_steps = {self.outer.warmup_steps} must be below outer.steps = "
                f"{self.outer.steps}"
            )
        self.algorithm.check_outer(self.outer)
        self._check_policy_run()
        check_ranges(self)
        for key, why in self.algorithm.no_evaluation.items():
            value, unset = getattr(self.evaluation, key), type(self.evaluation).model_fields[key]
            if value != unset.default:
                value = list(value) if isinstance(value, tuple) else value
                raise ValueError(
                    f"evaluation.{key} = {value} is not for algorithm.kind = "
                    f"{self.algorithm.kind!r}, {why}; unset it"
                )
        self.algorithm.check_evaluation(self.evaluation)
        return self

    def _check_policy_run(self) -> None:
        evaluation, outer = self.evaluation, self.outer
        looks = "optimizer = 'trpo'" if outer.optimizer == "trpo" else f"epochs = {outer.epochs}"
        rounds = outer.optimizer == "trpo" or outer.epochs > 1
        if rounds and not self.task.acts:
            raise ValueError(
                f"outer.{looks} is for policies, not for task.kind = {self.task.kind!r}; use "
                "outer.optimizer = 'adam' and outer.epochs = 1"
            )
        if rounds and not self.algorithm.has_outer_loss:
            raise ValueError(
                f"outer.{looks} needs a loss after adaptation, which algorithm.kind = "
                f"{self.algorithm.kind!r} does not descend; use 'maml', or outer.optimizer = 'sgd' "
                "and outer.epochs = 1"
            )
        if outer.optimizer == "trpo" and outer.epochs > 1:
            raise ValueError(
                f"outer.epochs = {outer.epochs} is not for outer.optimizer = 'trpo', which finds "
                "the length of its one step; unset it"
            )
        if outer.divergence_penalty and outer.epochs == 1:
            raise ValueError(
                f"outer.divergence_penalty = {outer.divergence_penalty:g} is for policies that "
                "learn from the same episodes several times (outer.epochs above 1, not trpo); "
                "unset it"
            )
        if outer.optimizer == "trpo":
            self._check_trust_region()
        if rounds and self.runtime.non_finite == "skip":
            raise ValueError(
                f"runtime.non_finite = 'skip' leaves tasks out of a step's first round, but "
                f"outer.{looks} looks at all of them again; unset it"
            )
        if self.task.acts and evaluation.inner_batch is not None:
            raise ValueError(
                f"evaluation.inner_batch = {evaluation.inner_batch} deals out examples, but each "
                "inner step of a policy sees its own episodes; unset it"
            )
        if evaluation.later_lr is not None:
            self._check_later_lr("evaluation.later_lr", evaluation.later_lr)

    def _check_trust_region(self) -> None:
        """Refuse settings of the step length, which trpo finds itself."""
        usual = type(self.outer)(optimizer="trpo")
        for name in ("schedule", "warmup_steps", "clip_norm", "clip_value"):
            value = getattr(self.outer, name)
            if value != getattr(usual, name):
                raise ValueError(
                    f"outer.{name} = {value!r} is not for outer.optimizer = 'trpo', which finds "
                    "the length of its step by outer.max_divergence; unset it"
                    + (", or use 'constant'" if name == "schedule" else "")
                )


def load(
    source: "MetaConfig | Mapping[str, Any] | str | os.PathLike[str]",
    overrides: Mapping[str, Any] | Iterable[str] = (),
) -> tuple[MetaConfig, list[str]]:
    """Merge a configuration with overrides, and validate it.

    Args:
      source: a configuration, a table like it, the name of a preset, or a path that ends in .toml.
      overrides: dotted name -> value, or `key=value` texts whose values are TOML, else text.
    Returns:
      the configuration, and notes for the user: the keys that a new `kind` drops and keeps, and
      the defaults of the family of tasks.
    Raises:
      ValueError: one line that names the key, the value and what is allowed.
      TypeError: `source` is something else.
    """
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if isinstance(source, str):
        table, notes = _read_run(source)
        table.setdefault("name", Path(source).stem)
    elif isinstance(source, MetaConfig):
        table, notes = source.model_dump(mode="json", exclude_none=True), []
    elif isinstance(source, Mapping):
        table, notes = copy.deepcopy(dict(source)), []
    else:
        raise TypeError(
            f"a configuration is a preset's name, a .toml file, a table or a MetaConfig, not "
            f"{shortened(repr(source), 60)}"
        )
    if not isinstance(overrides, Mapping):
        overrides = dict(map(parse_override, overrides))
    notes += merge(table, overrides)
    config = validate(table)
    rate = f"to {config.algorithm.inner_lr:g}, the default"  # depends on the task
    notes = [note.replace(TO_THE_DEFAULT, rate) for note in notes]
    return config, notes + describe_defaults(table, config)


def read_run(source: str, as_written: bool = False) -> Table:
    """Read the table of a preset or a run's file, over that of its base.

    Args:
      as_written: leave relative paths as they are; otherwise they are relative to the file's
        folder.
    Raises:
      ValueError: the file cannot be read, or is a sweep.
    """
    return _read_run(source, as_written)[0]


def _read_run(source: str, as_written: bool = False) -> tuple[Table, list[str]]:
    """Read a run's table as `read_run`, with notes for the user."""
    table: Table = {}
    notes: list[str] = []
    for layer in layers(source):
        upper = layer.table
        if layer.file is not None and not as_written:
            upper = anchored_here(upper, layer.file.parent)
        table.pop("name", None)  # the base's
        notes += merge(table, upper) if table else []
        table = table or upper
    return table, notes


def anchored_here(table: Table, folder: Path) -> Table:
    """Return the table of a file in `folder`, with its relative paths taken from there."""
    return anchored(table, folder, places_of(MetaConfig))


def parse_override(text: str) -> tuple[str, Any]:
    """Parse `a.b=value` into ("a.b", value); a value that is not TOML is a text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        words = key.split()
        example = "=".join(words) if len(words) == 2 else "outer.steps=2000"
        raise ValueError(f"--set takes key=value, not '{text}'; for example {example}")
    if not all(part.strip() for part in key.split(".")):
        raise ValueError(
            f"--set {key.strip()[:60]}: a dot must be between two names; for example outer.steps"
        )
    try:
        check_depth(key)
        table = parse_toml(f"value = {value}")
        if len(table) > 1:  # a second line that would be dropped
            raise ValueError("a value of several lines; give each key its own --set")
        return key.strip(), table["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
    except ValueError as error:
        raise ValueError(f"--set {key.strip()[:60]}: {error}") from None


def validate(table: Mapping[str, Any], is_stored: bool = False) -> MetaConfig:
    """Validate the configuration in `table`; see `load` for the errors.

    Args:
      is_stored: it is a run's own, which has all keys: none is filled, and nothing that it names is
        called. To choose defaults a family may call a user's function or environment.
    """
    check_table(table)
    try:
        return MetaConfig.model_validate(table, context={"is_stored": True} if is_stored else None)
    except ValidationError as error:
        raise ValueError(explain(error, MetaConfig)) from None


def to_toml(config: MetaConfig) -> str:
    """Write the resolved configuration as TOML, without unset keys; a section's kind is first."""
    import tomli_w

    table = config.model_dump(mode="json", exclude_none=True)
    if not table["tracking"]:
        del table["tracking"]
    for section in (table["task"], table["model"]):
        if section.get("folder") == ".":  # of no use; beside the file, it would be the file's
            del section["folder"]
    return tomli_w.dumps(_kind_first(table))


def _kind_first(table: Table) -> Table:
    return {
        key: _kind_first(table[key]) if isinstance(table[key], dict) else table[key]
        for key in sorted(table, key=lambda key: key != "kind")
    }
