"""The whole configuration of a run: one schema for TOML, presets, dotted overrides and Python.

Layers merge as plain tables and are validated once, so that every error names a key, its value
and what is allowed. Nothing here imports TensorFlow or Ray.
"""

import copy
import hashlib
import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator

from orchestrator.config_errors import explain, suggest
from orchestrator.settings import (
    CheckpointSettings,
    EvaluationSettings,
    OuterSettings,
    WorkersSettings,
)
from workers.settings.section import setting
from workers.settings.tasks import TaskSettings
from workers.settings.worker import ENVIRONMENTS, WorkerSettings

PRESETS = Path(__file__).parent / "presets"

Table = dict[str, Any]

# Keys whose value may be a table that is no section.
_VALUES = {"workers.count"}
# Sections of exactly one key: another one takes its place.
_OF_ONE_KEY = "task.vary.*"
# Tables whose keys are the user's: one that is given as a whole takes the place of all.
_OWN_KEYS = {"task.vary", "task.arguments"}


class MetaConfig(WorkerSettings):
    """A run: what its actors must know, and what only the driver does."""

    task: TaskSettings
    name: str = setting("run", "what the run is called in its folder and pictures", bits=False)
    outer: OuterSettings = OuterSettings()
    workers: WorkersSettings = WorkersSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    checkpoint: CheckpointSettings = CheckpointSettings()

    @property
    def worker(self) -> WorkerSettings:
        """The part that travels to the actors."""
        names = WorkerSettings.model_fields
        return WorkerSettings(**{name: getattr(self, name) for name in names})

    @property
    def block_size(self) -> int:
        """Tasks per block: eight blocks a step, or few large ones where they run as one batch."""
        if self.workers.block_size is not None:
            return self.workers.block_size
        if self.execution[0] == "vectorized":
            return min(self.outer.meta_batch_size, 512)
        return -(-self.outer.meta_batch_size // 8)

    def bits(self) -> Table:
        """Dotted name -> value of all that decides the weights."""
        table = flatten(_bits(self))
        mode, xla = self.execution
        table |= {"workers.block_size": self.block_size, "runtime.execution": mode}
        table["runtime.xla"] = xla
        if self.outer.growable:
            del table["outer.steps"]
        return table

    def bits_hash(self) -> str:
        """sha256 of `bits`."""
        return hashlib.sha256(json.dumps(self.bits(), sort_keys=True).encode()).hexdigest()

    @model_validator(mode="after")
    def _driver_fits(self) -> "MetaConfig":
        if self.outer.warmup_steps >= self.outer.steps and self.outer.warmup_steps:
            raise ValueError(
                f"outer.warmup_steps = {self.outer.warmup_steps} must be below outer.steps = "
                f"{self.outer.steps}"
            )
        self._check_policy_run()
        if self.algorithm.kind == "joint" and self.evaluation.inner_batch is not None:
            raise ValueError(
                f"evaluation.inner_batch = {self.evaluation.inner_batch} is not for "
                "algorithm.kind = 'joint', which fine-tunes on the whole support set; unset it"
            )
        return self

    def _check_policy_run(self) -> None:
        evaluation, outer = self.evaluation, self.outer
        looks = "optimizer = 'trpo'" if outer.optimizer == "trpo" else f"epochs = {outer.epochs}"
        rounds = outer.optimizer == "trpo" or outer.epochs > 1
        if rounds and self.task.kind not in ENVIRONMENTS:
            raise ValueError(
                f"outer.{looks} is for policies, not for task.kind = {self.task.kind!r}; use "
                "outer.optimizer = 'adam' and outer.epochs = 1"
            )
        if rounds and self.algorithm.kind == "reptile":
            raise ValueError(
                f"outer.{looks} needs a loss after adaptation, which algorithm.kind = 'reptile' "
                "does not descend; use 'maml', or outer.optimizer = 'sgd' and outer.epochs = 1"
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
        if self.task.kind in ENVIRONMENTS and evaluation.inner_batch is not None:
            raise ValueError(
                f"evaluation.inner_batch = {evaluation.inner_batch} deals out examples, but each "
                "inner step of a policy sees its own episodes; unset it"
            )
        if evaluation.later_lr is not None:
            self._check_later_lr("evaluation.later_lr", evaluation.later_lr)

    def _check_trust_region(self) -> None:
        """What says how long an optimizer's step is means nothing to one that finds it out."""
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
    source: "MetaConfig | Mapping[str, Any] | str",
    overrides: Mapping[str, Any] | Iterable[str] = (),
) -> tuple[MetaConfig, list[str]]:
    """Merge a configuration with overrides, and validate.

    Args:
      source: a configuration, a table like it, the name of a preset, or a path that ends in .toml.
      overrides: dotted name -> value, or `key=value` texts whose values are TOML, else text.
    Returns:
      the configuration, and notes for the user: keys that a new `kind` dropped.
    Raises:
      ValueError: one line that names the key, the value and what is allowed.
    """
    if isinstance(source, str):
        table = read_run(source)
        table.setdefault("name", Path(source).stem)
    elif isinstance(source, MetaConfig):
        table = source.model_dump(mode="json", exclude_none=True)
    else:
        table = copy.deepcopy(dict(source))
    if not isinstance(overrides, Mapping):
        overrides = dict(map(parse_override, overrides))
    notes = merge(table, overrides)
    return validate(table), notes


def read_table(source: str) -> Table:
    """The table of a preset or of a TOML file; a name is a file if it ends in .toml."""
    path = Path(source) if source.endswith(".toml") else PRESETS / f"{source}.toml"
    if not path.is_file():
        if source.endswith(".toml"):
            raise ValueError(f"no such file: {source}")
        if Path(source).is_file():
            raise ValueError(f"{source}: configurations are files that end in .toml")
        raise ValueError(
            f"no preset is called '{source}'{suggest(source, presets())}; there are "
            f"{', '.join(presets())}, or give a file that ends in .toml"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not TOML: {error}") from None


def read_run(source: str) -> Table:
    """As `read_table`. Raises ValueError for a file that is a sweep."""
    table = read_table(source)
    if "base" in table and "space" in table:
        raise ValueError(f"{source} is a sweep, not a run: metatrain tune {source}")
    return table


def presets() -> list[str]:
    """Their names, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def parse_override(text: str) -> tuple[str, Any]:
    """`a.b=value` -> ("a.b", value); the value is TOML where it parses as such, else text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"--set takes key=value, not '{text}'; for example outer.steps=2000")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def validate(table: Mapping[str, Any]) -> MetaConfig:
    """The configuration in `table`; see `load` for what is raised."""
    try:
        return MetaConfig.model_validate(table)
    except ValidationError as error:
        raise ValueError(explain(error, MetaConfig)) from None


def flatten(table: Mapping[str, Any], prefix: str = "") -> Table:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: Table = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in _VALUES:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def to_toml(config: MetaConfig) -> str:
    """The whole resolved configuration; unset keys are left out, a section's kind comes first."""
    import tomli_w

    return tomli_w.dumps(_kind_first(config.model_dump(mode="json", exclude_none=True)))


def _kind_first(table: Table) -> Table:
    return {
        key: _kind_first(table[key]) if isinstance(table[key], dict) else table[key]
        for key in sorted(table, key=lambda key: key != "kind")
    }


def merge(table: Table, overrides: Mapping[str, Any]) -> list[str]:
    """Write dotted names or tables into `table`; notes for the user, as of `set_key`."""
    flat = flatten(overrides)
    kinds = {key: value for key, value in flat.items() if key.endswith(".kind")}
    notes = [note for key, value in kinds.items() for note in set_key(table, key, value)]
    changed = {key.rpartition(".")[0] for key in flat}
    whole = _OWN_KEYS & set(_tables(overrides))
    for section in sorted({key for key in changed if fnmatch(key, _OF_ONE_KEY)} | whole):
        set_key(table, section, {})
    for key, value in flat.items():
        if key not in kinds:
            notes += set_key(table, key, value)
    return notes


def _tables(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all tables in it."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield f"{prefix}{key}"
            yield from _tables(value, f"{prefix}{key}.")


def set_key(table: Table, key: str, value: Any) -> list[str]:
    """Write `value` at dotted `key`; a new kind restarts its section, and says what it drops."""
    dropped: list[str] = []
    *sections, last = key.split(".")
    for name in sections:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{key} goes through {name}, which is no table")
    if last == "kind" and table.get("kind") not in (None, value):
        dropped = sorted(set(table) - {"kind"})
        table.clear()
    table[last] = value
    if not dropped:
        return []
    return [f"{key} = {value!r} starts its section afresh and drops {', '.join(dropped)}"]


def _bits(section: BaseModel) -> Table:
    table: Table = {}
    for name, field in type(section).model_fields.items():
        value, declared = getattr(section, name), field.json_schema_extra
        if isinstance(declared, dict) and not declared.get("bits"):
            continue
        if isinstance(value, BaseModel):
            table[name] = _bits(value)
        elif isinstance(value, Mapping):
            table[name] = {
                key: _bits(each) if isinstance(each, BaseModel) else each
                for key, each in value.items()
            }
        else:
            table[name] = list(value) if isinstance(value, tuple) else value
    return table
