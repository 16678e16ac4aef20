"""What a job on a cluster is: its id, its command, its run's folder, and what must go with it.

All of it is decided here, before anything is sent. Nothing here knows Ray.
"""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator import config as configuration
from orchestrator.config import MetaConfig
from orchestrator.evaluation_keys import check_overrides
from orchestrator.redact import redact
from orchestrator.shipping import Shipment
from orchestrator.sweep.settings import read_sweep, title_of
from orchestrator.sweep.space import check_space
from workers.settings.models import KerasModel
from workers.settings.tasks import ImagesTask

RUNS = "~/metatrain-runs"
SCRIPT = ".metatrain/job.sh"

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """A command to run on the cluster.

    id: the same for the same command, configuration and run folder, from whatever machine.
    words: the command line, but for --resume. run: the run's folder, as the job sees it.
    resumable: whether the command takes --resume. resume: whether it was given.
    """

    id: str
    words: tuple[str, ...]
    run: str
    resumable: bool = False
    resume: bool = False
    notes: tuple[str, ...] = ()

    def command(self, again: bool) -> str:
        """The command line of a first or a later attempt."""
        resume = self.resumable and (self.resume or again)
        return shlex.join([*self.words, *(["--resume"] if resume else [])])

    def entrypoint(self, again: bool, python: str | None = None) -> str:
        """What Ray gives to a shell on the head. See job.sh."""
        chosen = shlex.join(["--python", python]) + " " if python else ""
        return f"exec /bin/sh {SCRIPT} {chosen}{self.command(again)}"


def next_attempt(base: str, earlier: Iterable[str]) -> str:
    """The id of the attempt after those there are: base, base-2, base-3, ..."""
    numbers = [int(id.removeprefix(base).lstrip("-") or 1) for id in earlier]
    return f"{base}-{max(numbers) + 1}" if numbers else base


def plan(command: str, values: Values, shipment: Shipment) -> Submission:
    """A command that has been parsed, as a job.

    Args:
      command: one of SUBMITTABLE. values: its parameters, as the local command is given them.
      shipment: what goes with it; its folder is the one in which the words were read.
    Raises:
      ValueError: the configuration is wrong, or the job would miss something on the cluster.
    """
    lists = [value if isinstance(value, list) else [value] for value in values.values()]
    for word in map(str, chain.from_iterable(lists)):
        if redact(word) != word:
            raise ValueError(
                f"{redact(word)} holds a secret, and a job's command is shown to all who see the "
                "dashboard; leave it out: on the cluster the machines' own credentials are used "
                "(an instance's role, ~/.aws, or AWS_ACCESS_KEY_ID where Ray was started)"
            )
    return SUBMITTABLE[command](values, shipment)


def _train(values: Values, shipment: Shipment) -> Submission:
    overrides = list(values["overrides"] or [])
    preset, workers, out = values["preset"], values["workers"], values["out"]
    counts = [] if workers is None else [f"workers.count={workers}"]
    config, notes = configuration.load(preset, [*overrides, *counts])
    if preset.endswith(".toml"):
        preset = _shipped(preset, preset, shipment)
    if out is not None:
        _check_outlives("--out", out)
    typed = _as_typed(values["preset"], overrides)
    more = _check_model(config, typed, shipment)
    notes = [*notes, *_check_data(config, typed, shipment)]
    identity = {
        "config": _portable(json.loads(config.model_dump_json()), shipment.folder),
        "allow_changes": values["allow_changes"],
    }
    name, run = _named(config.name, "train", out, identity)
    notes += _home_note(run)
    if "://" not in run:
        notes.append(
            f"{run} is on the disk of the cluster's head: fetch it before the head ends, or give "
            "--out a URI that outlives it, such as s3://bucket/runs/a"
        )
    words = ["train", preset, *_repeated("--set", [*overrides, *more]), "--out", run]
    words += [] if workers is None else ["--workers", workers]
    words += [
        f"--{flag.replace('_', '-')}" for flag in ("allow_changes", "verbose") if values[flag]
    ]
    return Submission(name, tuple(words), run, True, values["resume"], tuple(notes))


def _tune(values: Values, shipment: Shipment) -> Submission:
    overrides, out = list(values["overrides"] or []), values["out"]
    source = values["sweep"]
    sweep, table = read_sweep(source, overrides)
    check_space(sweep, table)
    config, notes = configuration.load(table)
    base = Path(source).parent / sweep.base
    if source.endswith(".toml"):
        source = _shipped(source, source, shipment)
        if sweep.base.endswith(".toml"):
            _shipped(f"base = {sweep.base!r}", base if base.is_file() else sweep.base, shipment)
    if out is not None:
        _check_outlives("--out", out)
    typed = configuration.flatten(table)
    more = _check_model(config, typed, shipment)
    notes = [*notes, *_check_data(config, typed, shipment)]
    what = sweep.model_dump(mode="json", exclude_none=True)
    identity = _portable(json.loads(json.dumps([what, table])), shipment.folder)
    title = title_of(values["sweep"])
    name, run = _named(title, "tune", out, {"sweep": identity})
    notes += _home_note(run)
    if "://" not in run:
        notes.append(
            f"{run} must be a folder that every machine of the cluster sees, where trials write; "
            "or give --out a URI, such as s3://bucket/sweeps/a"
        )
    words = ["tune", source, *_repeated("--set", [*overrides, *more]), "--out", run]
    words += ["--verbose"] if values["verbose"] else []
    return Submission(name, tuple(words), run, True, values["resume"], tuple(notes))


def _named(
    title: str, command: str, out: str | None, identity: Mapping[str, Any]
) -> tuple[str, str]:
    """A job's id, and its run's folder: the one by the id, said or not, is the same run."""
    name = job_id(title, command, "", identity)
    run = out or f"{RUNS}/{name}"
    if run != f"{RUNS}/{name}":
        name = job_id(title, command, run, identity)
    return name, run


def _home_note(run: str) -> list[str]:
    if run.startswith("~") or not run.startswith(os.path.expanduser("~/")):
        return []
    return [f"{run} is a path of this machine's; quote a ~ that the cluster is to read"]


def _evaluate(values: Values, shipment: Shipment) -> Submission:
    run, out, tasks = values["run"], values["out"], values["tasks"]
    _check_outlives("RUN", run)
    if out is not None and not Path(out).is_absolute():
        raise ValueError(
            f"--out {out} would be deleted with the job's folder on the cluster; give an absolute "
            "path there, or read the scores in the job's log"
        )
    overrides = list(values["overrides"] or [])
    check_overrides(overrides)
    counts = [] if tasks is None else [f"evaluation.tasks={tasks}"]
    own = [text for text in overrides if text.startswith("evaluation.")]
    # The run's own configuration is on the cluster: what does not depend on it is validated here.
    configuration.load("sinusoid", [*own, *counts, f"workers.count={values['workers']}"])
    words = ["evaluate", run, *_repeated("--set", overrides), "--workers", values["workers"]]
    words += [] if tasks is None else ["--tasks", str(tasks)]
    words += [] if out is None else ["--out", str(out)]
    words += ["--verbose"] if values["verbose"] else []
    last = run.partition("?")[0].rstrip("/").rpartition("/")[2]
    name = job_id(f"evaluate-{last}", "evaluate", run, {"words": words})
    return Submission(name, tuple(words), run)


#: The commands that can be submitted, and what makes a job of each.
SUBMITTABLE: dict[str, Callable[[Values, Shipment], Submission]] = {
    "train": _train,
    "tune": _tune,
    "evaluate": _evaluate,
}


def job_id(name: str, command: str, run: str, identity: Mapping[str, Any]) -> str:
    """`name` and 12 hex digits of what the job does; small letters, digits and dashes alone."""
    does = json.dumps([command, run, identity], sort_keys=True)
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{plain or 'run'}-{hashlib.sha256(does.encode()).hexdigest()[:12]}"


def _check_outlives(what: str, place: str) -> None:
    """A place that is there after the job, whose own working directory Ray deletes."""
    if not place.startswith(("/", "~")) and "://" not in place:
        raise ValueError(
            f"{what} {place or repr(place)} is relative to the job's working directory on the "
            f"cluster, which Ray deletes; give a path there such as {RUNS}/NAME, or a URI such as "
            "s3://bucket/runs/NAME"
        )


def _shipped(what: str, path: str | Path, shipment: Shipment) -> str:
    """The place of a file below the folder that is shipped."""
    absolute = Path(os.path.abspath(shipment.folder / Path(path).expanduser()))
    if not shipment.holds(absolute):
        if not absolute.exists():
            raise ValueError(f"{what} does not exist; a job gets what is in {shipment.folder}")
        why = (
            "is not shipped: .gitignore names it, or it is of a kind that never is (runs, caches)"
            if absolute.is_relative_to(shipment.folder)
            else f"is not in {shipment.folder}, which is what is shipped"
        )
        raise ValueError(f"{what} {why}; move it, or give another --working-dir")
    return absolute.relative_to(shipment.folder).as_posix()


def _check_model(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse a user's model that would not be there; overrides that make its folder relative."""
    model = config.model
    if not isinstance(model, KerasModel):
        return []
    folder = Path(model.folder)
    more = []
    if str(typed.get("model.folder", ".")).startswith(("/", "~")):
        place = _shipped(f"model.folder = {model.folder!r}", folder, shipment)
        more = [f"model.folder={place}"]
    modules = list(model.imports)
    if model.source.endswith(".keras"):
        _shipped(f"model.source = {model.source!r}", folder / model.source, shipment)
    else:
        modules.append(model.source.partition(":")[0])
    for module in modules:
        file = folder.joinpath(*module.split("."))
        if file.with_suffix(".py").is_file():
            _shipped(f"the module {module!r} of [model]", file.with_suffix(".py"), shipment)
        elif file.is_dir():
            _shipped(f"the package {module!r} of [model]", file, shipment)
        elif find_spec(module.partition(".")[0]) is None:
            raise ValueError(
                f"there is no module {module!r} of [model] in {folder}; set model.folder to where "
                "it is, below what is shipped"
            )
    return more


def _check_data(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse data that would not be there, and say what must be."""
    if not isinstance(config.task, ImagesTask):
        return []
    notes = []
    for key in ("task.path", "task.split_file"):
        value = typed.get(key)
        for path in [value] if isinstance(value, str) else value or []:
            if str(path).startswith(("/", "~")):
                notes.append(f"{key} = {path}: it must be there on each machine of the cluster")
            else:
                _shipped(f"{key} = {path}", path, shipment)
    if config.task.path is None and not shipment.holds(shipment.folder / "data" / "omniglot"):
        notes.append(
            "task.path is unset and data/omniglot is not shipped: each machine of the cluster "
            "needs METATRAIN_DATA in the environment of its Ray"
        )
    return notes


def _as_typed(preset: str, overrides: list[str]) -> dict[str, Any]:
    """Dotted name -> value before validation, which makes paths absolute on this machine."""
    given = dict(map(configuration.parse_override, overrides))
    table = configuration.flatten(configuration.read_table(preset))
    return table | configuration.flatten(given)


def _portable(value: Any, folder: Path) -> Any:
    """Paths below the shipped folder as relative ones, and below the home as ~."""
    if isinstance(value, dict):
        return {key: _portable(each, folder) for key, each in value.items()}
    if isinstance(value, list):
        return [_portable(each, folder) for each in value]
    if isinstance(value, str):
        for place, short in ((folder, "."), (os.path.expanduser("~"), "~")):
            if value == str(place) or value.startswith(f"{place}/"):
                return short + value.removeprefix(str(place))
    return value


def _repeated(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
