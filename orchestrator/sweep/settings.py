"""The schema of a sweep's file. This module imports neither TensorFlow nor Ray."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from orchestrator.config import schema as configuration
from orchestrator.config.errors import explain, suggest
from orchestrator.config.sources import based_on
from orchestrator.sweep.dimension import Dimension, holds
from orchestrator.text.credentials import check_table
from workers.settings.section import Section, setting

# Sections of a run that do not decide what is learned.
_NOT_SEARCHED = ("workers", "checkpoint", "evaluation", "tracking")
SHIPPED = configuration.PRESETS / "sweeps"


class SearchSettings(Section):
    """The settings of the search: who proposes values, and which trials are stopped early."""

    searcher: Literal["random", "grid", "optuna"] = Field(
        "random", description="who proposes values; optuna: its TPE"
    )
    scheduler: Literal["none", "asha", "median", "pbt"] = Field(
        "none", description="who stops trials early, or (pbt) perturbs them as they run"
    )
    parallel: int | None = setting(
        None,
        "trials at a time, 1 to 4096; unset: as many as there is room for",
        bits=False,
        ge=1,
        le=4096,
    )
    time_s: float | None = setting(None, "seconds in all, > 0; unset: no limit", bits=False, gt=0)
    grace_steps: int | None = setting(
        None,
        "outer steps before a trial may be stopped, 1 to 10^9; unset: evaluation.every",
        bits=False,
        ge=1,
        le=10**9,
    )
    reduction_factor: int = setting(
        4, "asha keeps the best of so many at each rung, 2 to 1000", bits=False, ge=2, le=1000
    )
    perturb_steps: int | None = setting(
        None,
        "pbt: outer steps between perturbations, 1 to 10^9; unset: evaluation.every",
        bits=False,
        ge=1,
        le=10**9,
    )


class SweepSettings(Section):
    """The settings of a sweep: a run, what is varied, and what decides."""

    base: str = Field(description="a preset, or a file that ends in .toml")
    metric: str | None = Field(
        None, description="of validation; unset: what decides between a run's checkpoints"
    )
    mode: Literal["min", "max"] | None = Field(
        None, description="whether less or more of metric is better; unset: which of them is so"
    )
    samples: int = setting(
        16, "trials, 1 to 10^6; with a grid: of each of its points", bits=False, ge=1, le=10**6
    )
    top: int = setting(
        1, "best trials to evaluate on the test tasks, 1 to 10^6", bits=False, ge=1, le=10**6
    )
    seed: int = setting(
        0, "of what is drawn from the space, 0 to 2^32 - 1", bits=False, ge=0, lt=2**32
    )
    mlflow: str | None = Field(None, description="URI of an MLflow server or database; unset: none")
    overrides: dict[str, Any] = Field({}, description="dotted name = value, as --set")
    space: dict[str, Dimension] = Field(
        description="dotted name = what it is drawn from, as {choice = [1, 2]}"
    )
    search: SearchSettings = SearchSettings()

    @model_validator(mode="after")
    def _check_consistency(self) -> "SweepSettings":
        search = self.search
        if not self.space:
            raise ValueError("space is empty; name at least one key, such as algorithm.inner_lr")
        grids = [key for key, dimension in self.space.items() if dimension.grid is not None]
        if search.searcher == "grid" and len(grids) < len(self.space):
            other = next(key for key in self.space if key not in grids)
            raise ValueError(
                f"search.searcher = 'grid', but space.{other} is not a grid; give it as "
                "{grid = [...]}, or set searcher = 'random', which takes both"
            )
        for what, name in (("searcher", "optuna"), ("scheduler", "pbt")):
            if getattr(search, what) == name and grids:
                raise ValueError(
                    f"space.{grids[0]} is a grid, which search.{what} = '{name}' does not take; "
                    "use choice"
                )
        if search.scheduler == "pbt" and search.searcher != "random":
            raise ValueError(
                f"search.searcher = '{search.searcher}' with scheduler = 'pbt', which draws "
                "itself; set searcher = 'random'"
            )
        for key, dimension in self.space.items():
            _check_key(key, self.overrides)
            for other, wanted in dimension.when.items():
                self._check_condition(key, other, wanted)
        return self

    def _check_condition(self, key: str, other: str, wanted: Any) -> None:
        if other not in self.space:
            raise ValueError(
                f"space.{key} is drawn when {other} has a value, but {other} is not in the space; "
                "name a key of the space, in quotes"
            )
        if other == key:
            raise ValueError(f"space.{key} depends on itself; leave {key} out of its `when`")
        if self.space[other].when:
            raise ValueError(
                f"space.{key} depends on {other}, which depends on others itself; name all its "
                "conditions in its own `when`"
            )
        values = self.space[other].choice or self.space[other].grid
        if self.space[other].is_continuous:
            raise ValueError(
                f"space.{key} is drawn when {other} = {wanted!r}, which a value from a range never "
                f"is exactly; give {other} as a choice"
            )
        if wanted == [] or (values and not any(holds({other: wanted}, {other: v}) for v in values)):
            raise ValueError(
                f"space.{key} is drawn when {other} = {wanted!r}, which it never is"
                + (f"; its values are {', '.join(map(repr, values))}" if values else "")
            )


def _check_key(key: str, overrides: dict[str, Any]) -> None:
    """Refuse a key that is not a hyperparameter, or that already has a value."""
    if key == "name" or key.partition(".")[0] in _NOT_SEARCHED:
        raise ValueError(
            f"space.{key} is not a hyperparameter: trials differ in what they learn, not in their "
            "name, where they run, or how they are measured; set it under [overrides]"
        )
    if key in configuration.flatten(overrides):
        raise ValueError(
            f"{key} is in the space and also has a value (in [overrides], or by --set), which "
            "would be ignored; leave one of them out"
        )


def is_own_key(name: str) -> bool:
    """Tell whether a key belongs to a sweep and to no run: samples, search.parallel, parallel."""
    first, _, rest = name.replace("-", "_").partition(".")
    if first in configuration.MetaConfig.model_fields:
        return False
    return first in SweepSettings.model_fields or (
        not rest and first in SearchSettings.model_fields
    )


def _refuse_sweep_keys(keys: Iterable[str]) -> None:
    for key in filter(is_own_key, keys):
        raise ValueError(
            f"{key} is a key of the sweep's file; set it there: --set takes keys of the run that "
            "is searched"
        )


def shipped_sweeps() -> list[str]:
    """List the names of the shipped sweeps, sorted."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def title_of(source: str) -> str:
    """Return the name of a sweep's folder and job, given its file or its name."""
    return f"{Path(source).stem.removesuffix('-sweep')}-sweep"


def read_sweep(
    source: str, overrides: Iterable[str] = (), as_written: bool = False
) -> tuple[SweepSettings, configuration.Table]:
    """Read a sweep, and the table of its base with its overrides.

    Args:
      source: the name of a shipped sweep, or a file that ends in .toml.
      overrides: `key=value` texts that replace the sweep's own.
      as_written: keep relative paths; otherwise those of a file are relative to its folder.
    Raises:
      ValueError: one line that names the key, the value and what is allowed.
    """
    if not source.endswith(".toml") and source not in shipped_sweeps():
        raise ValueError(
            f"no sweep is called '{source}'{suggest(source, shipped_sweeps())}; there are "
            f"{', '.join(shipped_sweeps())}, or give a file that ends in .toml"
        )
    path = source if source.endswith(".toml") else str(SHIPPED / f"{source}.toml")
    sweep = parse_sweep(configuration.read_table(path), source)
    is_file = source.endswith(".toml")
    folder = Path(path).expanduser().absolute().parent
    file_overrides = sweep.overrides
    if is_file and not as_written:
        file_overrides = configuration.anchored_here(file_overrides, folder)
        sweep = _with_absolute_paths(sweep, folder)
    option_overrides = dict(map(configuration.parse_override, overrides))
    check_table(option_overrides)
    _refuse_sweep_keys(option_overrides)
    sweep = sweep.model_copy(update={"overrides": sweep.overrides | option_overrides})
    for key in sweep.space:
        _check_key(key, sweep.overrides)
    prefix = f"{path}: "
    try:
        base = based_on(sweep.base, folder / "sweep.toml" if is_file else None)
        prefix += f"base = {sweep.base!r}: "
        table = configuration.read_run(base, as_written)
    except ValueError as error:
        raise ValueError(f"{prefix}{error}") from None
    table.setdefault("name", Path(base).stem)
    configuration.merge(table, file_overrides | option_overrides)
    return sweep, table


def _with_absolute_paths(sweep: SweepSettings, folder: Path) -> SweepSettings:
    """Make paths in the space absolute; they are relative to the folder of the file."""
    overrides, space = sweep.overrides, {}
    for key, dimension in sweep.space.items():
        lists = {"choice": dimension.choice, "grid": dimension.grid}
        absolute = {
            name: tuple(configuration.anchored_here(overrides | {key: list(values)}, folder)[key])
            for name, values in lists.items()
            if values is not None
        }
        space[key] = dimension.model_copy(update=absolute)
    return sweep.model_copy(update={"space": space})


def parse_sweep(table: configuration.Table, path: str) -> SweepSettings:
    """Validate the table of a sweep's file.

    Args:
      path: the file, for the messages.
    Raises:
      ValueError: names the key, the value and what is allowed.
    """
    table = dict(table)
    check_table(table)
    if "space" not in table and "task" in table:
        raise ValueError(f"{path} is a run, not a sweep: it has no [space]; try metatrain train")
    try:
        if isinstance(table.get("space"), dict):
            table["space"] = _dotted(table["space"])
        return SweepSettings.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{path}: {explain(error, SweepSettings)}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _dotted(space: configuration.Table, prefix: str = "") -> configuration.Table:
    """Flatten the space to dotted keys, whether they were quoted or written as tables."""
    flat: configuration.Table = {}
    for key, value in space.items():
        is_dimension = isinstance(value, dict) and Dimension.model_fields.keys() & value.keys()
        has_tables = isinstance(value, dict) and any(isinstance(v, dict) for v in value.values())
        entries = {f"{prefix}{key}": value}
        if has_tables and not is_dimension:
            entries = _dotted(value, f"{prefix}{key}.")
        for name in flat.keys() & entries.keys():
            raise ValueError(f"space.{name} is given twice, in quotes and in a table; keep one")
        flat |= entries
    return flat
