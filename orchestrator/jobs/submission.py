"""Planning a job on a cluster: its id, its command, its run's folder, and the files it needs.

All of it is decided here, before anything is sent, and without Ray.
"""

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from orchestrator.config import schema as configuration
from orchestrator.config.evaluation_keys import check_overrides
from orchestrator.config.sources import based_on, layers
from orchestrator.jobs.needed_files import as_typed, check_code, check_data, place_of
from orchestrator.jobs.shipping import Shipment
from orchestrator.sweep.settings import read_sweep, title_of
from orchestrator.sweep.space import check_space
from orchestrator.text.redact import holds_secret, redact_word

RUNS = "~/metatrain-runs"
SCRIPT = ".metatrain/job.sh"

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Submission:
    """A command to run on the cluster.

    id: the same for the same command, configuration and run folder, on any machine.
    words: the command line without --resume.
    run: the run's folder, as the job sees it.
    resumable: whether the command has the option --resume.
    resume: whether --resume was given.
    notes: notes for the user.
    """

    id: str
    words: tuple[str, ...]
    run: str
    resumable: bool = False
    resume: bool = False
    notes: tuple[str, ...] = ()

    def command(self, again: bool) -> str:
        """Return the command line of the first attempt, or if `again` of a later one."""
        resume = self.resumable and (self.resume or again)
        return shlex.join([*self.words, *(["--resume"] if resume else [])])

    def entrypoint(self, again: bool, python: str | None = None) -> str:
        """Return the shell command that Ray runs on the head; see job.sh."""
        chosen = shlex.join(["--python", python]) + " " if python else ""
        return f"exec /bin/sh {SCRIPT} {chosen}{self.command(again)}"


def next_attempt(base: str, earlier: Iterable[str]) -> str:
    """Return the id of the attempt after `earlier`: base, base-2, base-3, ..."""
    numbers = [int(id.removeprefix(base).lstrip("-") or 1) for id in earlier]
    return f"{base}-{max(numbers) + 1}" if numbers else base


def plan(command: str, values: Values, shipment: Shipment) -> Submission:
    """Plan a job for a parsed command.

    Args:
      command: one of SUBMITTABLE.
      values: the parameters of the local command.
      shipment: the files that are sent; the words were parsed in its folder.
    Raises:
      ValueError: the configuration is wrong, or the job would lack a file on the cluster.
    """
    lists = [value if isinstance(value, list) else [value] for value in values.values()]
    for word in map(str, chain.from_iterable(lists)):
        if holds_secret(word):
            raise ValueError(
                f"{redact_word(word)} holds a secret, and everyone who sees the dashboard sees a "
                "job's command; leave it out: the cluster's machines use their own credentials "
                "(an instance's role, ~/.aws, or AWS_ACCESS_KEY_ID where Ray was started)"
            )
    return SUBMITTABLE[command](values, shipment)


def _train(values: Values, shipment: Shipment) -> Submission:
    if values.get("dry_run"):
        raise ValueError(
            "train --dry-run starts nothing, so there is nothing to submit; give metatrain submit "
            "--dry-run -- train ..., or run it here without submit"
        )
    overrides = list(values["overrides"] or [])
    preset, workers, out = values["preset"], values["workers"], values["out"]
    counts = [] if workers is None else [f"workers.count={workers}"]
    config, notes = configuration.load(preset, [*overrides, *counts])
    for layer in layers(preset):
        if layer.file is not None:
            place_of(os.path.relpath(layer.file), layer.file, shipment)
    if preset.endswith(".toml"):
        preset = place_of(preset, preset, shipment)
    if out is not None:
        _check_outlives("--out", out)
    written, placed = (_with(overrides, values["preset"], flag) for flag in (True, False))
    typed = as_typed(written, placed, shipment.folder)
    more = check_code(config, typed, shipment)
    notes = [*notes, *check_data(config, typed, shipment)]
    identity = {
        "config": _portable(json.loads(config.model_dump_json()), shipment.folder),
        "allow_changes": values["allow_changes"],
    }
    seeds = values.get("seeds")
    identity |= {} if seeds is None else {"seeds": seeds}
    name, run = _named(config.name, "train", out, identity)
    notes += _home_note(run)
    if "://" not in run:
        notes.append(
            f"{run} is on the disk of the cluster's head: fetch it before the head ends, or give "
            "--out a URI that outlives it, such as s3://bucket/runs/a"
        )
    words = ["train", preset, *_repeated("--set", [*overrides, *more]), "--out", run]
    words += [] if workers is None else ["--workers", workers]
    words += [] if seeds is None else ["--seeds", str(seeds)]
    words += _flags(values, "allow_changes", "verbose", "as_json")
    return Submission(name, tuple(words), run, True, values["resume"], tuple(notes))


def _tune(values: Values, shipment: Shipment) -> Submission:
    overrides, out = list(values["overrides"] or []), values["out"]
    source = values["sweep"]
    sweep, table = read_sweep(source, overrides)
    check_space(sweep, table)
    config, notes = configuration.load(table)
    if source.endswith(".toml"):
        for layer in layers(based_on(sweep.base, Path(source).expanduser().absolute())):
            if layer.file is not None:
                place_of(f"base = {sweep.base!r}", layer.file, shipment)
        source = place_of(source, source, shipment)
    if out is not None:
        _check_outlives("--out", out)
    written = read_sweep(values["sweep"], overrides, as_written=True)[1]
    typed = as_typed(written, table, shipment.folder)
    more = check_code(config, typed, shipment)
    notes = [*notes, *check_data(config, typed, shipment)]
    what = sweep.model_dump(mode="json", exclude_none=True)
    identity = _portable(json.loads(json.dumps([what, table])), shipment.folder)
    title = title_of(values["sweep"])
    name, run = _named(title, "tune", out, {"sweep": identity})
    notes += _home_note(run)
    if "://" not in run:
        notes.append(
            f"{run} must be a folder that every machine of the cluster can write to, for trials; "
            "or give --out a URI, such as s3://bucket/sweeps/a"
        )
    words = ["tune", source, *_repeated("--set", [*overrides, *more]), "--out", run]
    words += _flags(values, "verbose", "as_json")
    return Submission(name, tuple(words), run, True, values["resume"], tuple(notes))


def _named(
    title: str, command: str, out: str | None, identity: Mapping[str, Any]
) -> tuple[str, str]:
    """Return a job's id and its run's folder; the default folder changes no id if given."""
    name = job_id(title, command, "", identity)
    run = out or f"{RUNS}/{name}"
    if run != f"{RUNS}/{name}":
        name = job_id(title, command, run, identity)
    return name, run


def _home_note(run: str) -> list[str]:
    if run.startswith("~") or not run.startswith(os.path.expanduser("~/")):
        return []
    return [f"{run} is a path of this machine; quote a ~ that the cluster should expand"]


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
    coverage = values.get("coverage")
    counts += [] if coverage is None else [f"evaluation.coverage={coverage}"]
    independent = [text for text in overrides if text.startswith("evaluation.")]
    # The run's configuration is on the cluster; settings independent of it are validated here.
    configuration.load("sinusoid", [*independent, *counts, f"workers.count={values['workers']}"])
    words = ["evaluate", run, *_repeated("--set", overrides), "--workers", values["workers"]]
    words += [] if tasks is None else ["--tasks", str(tasks)]
    words += [] if coverage is None else ["--coverage", str(coverage)]
    words += [] if out is None else ["--out", str(out)]
    words += _flags(values, "allow_changes", "verbose", "as_json")
    words += ["--checkpoint", values["named"]] if values.get("named") else []
    last = run.partition("?")[0].rstrip("/").rpartition("/")[2]
    name = job_id(f"evaluate-{last}", "evaluate", run, {"words": words})
    return Submission(name, tuple(words), run)


def _flags(values: Values, *names: str) -> list[str]:
    """Return the options without a value that were given."""
    options = {"as_json": "--json"}
    given = [name for name in names if values.get(name)]
    return [options.get(name, f"--{name.replace('_', '-')}") for name in given]


#: The commands that can be submitted, and the function that plans a job of each.
SUBMITTABLE: dict[str, Callable[[Values, Shipment], Submission]] = {
    "train": _train,
    "tune": _tune,
    "evaluate": _evaluate,
}


def job_id(name: str, command: str, run: str, identity: Mapping[str, Any]) -> str:
    """Return `name` and 12 hex digits of the job's identity: lower case, digits and dashes."""
    does = json.dumps([command, run, identity], sort_keys=True)
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")
    return f"{plain or 'run'}-{hashlib.sha256(does.encode()).hexdigest()[:12]}"


def _check_outlives(what: str, place: str) -> None:
    """Refuse a folder in the job's working directory, which Ray deletes after the job."""
    if not place.startswith(("/", "~")) and "://" not in place:
        raise ValueError(
            f"{what} {place or repr(place)} is relative to the job's working directory on the "
            f"cluster, which Ray deletes; give a path there such as {RUNS}/NAME, or a URI such as "
            "s3://bucket/runs/NAME"
        )


def _with(overrides: list[str], preset: str, as_written: bool) -> Values:
    table = configuration.read_run(preset, as_written)
    configuration.merge(table, dict(map(configuration.parse_override, overrides)))
    return table


def _portable(value: Any, folder: Path) -> Any:
    """Make paths below the shipped folder relative, and those below the home begin with ~."""
    if isinstance(value, dict):
        return {key: _portable(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_portable(item, folder) for item in value]
    if isinstance(value, str):
        for place, short in ((folder, "."), (os.path.expanduser("~"), "~")):
            if value == str(place) or value.startswith(f"{place}/"):
                return short + value.removeprefix(str(place))
    return value


def _repeated(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
