"""`metatrain doctor`: checks the installation, and forecasts a configuration's run."""

import os
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.common import RESULTS, check_machine, open_family, waiting
from orchestrator.cli.json_output import Json, print_json
from orchestrator.cli.options import Set, preset_names
from orchestrator.config import schema as configuration
from orchestrator.config.actor_count import parse_count
from orchestrator.config.schema import MetaConfig
from orchestrator.doctor import machine
from orchestrator.doctor.configuration_check import ConfigurationCheck, check_configuration
from orchestrator.doctor.finding import Finding, any_broken
from orchestrator.doctor.findings import duration, gigabytes
from orchestrator.doctor.forecast import Row
from orchestrator.doctor.installation_check import check_installation
from orchestrator.text.plain_text import printable
from workers.execution import runtime

_MARKS = {
    "well": ("✓", "green"),
    "note": ("·", "dim"),
    "warning": ("!", "yellow"),
    "broken": ("✗", "red"),
}
_CAPTION = (
    "the run: from its start to its test scores. Memory: the peak resident memory (RSS) of the "
    "driver and of each actor, shared pages included; Ray's own processes take about 0.5 GB more. "
    "Extrapolated: on more machines of this kind, without their network."
)


@command_settings(epilog="Example: metatrain doctor omniglot-5w1s --workers 4")
def doctor(
    preset: Annotated[
        str | None,
        typer.Argument(
            metavar="PRESET|FILE.toml",
            help="A run to build, time and forecast.",
            autocompletion=preset_names,
        ),
    ] = None,
    overrides: Set = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="N", help="Actors to measure on; 0: without Ray. Default: 2."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the installation; forecast a run's speed and memory, and check its model."""
    raise SystemExit(diagnose(preset, overrides or [], workers, as_json))


def diagnose(source: str | None, overrides: list[str], workers: str | None, as_json: bool) -> int:
    """Check the installation, and a preset or a TOML file; return the exit code.

    Args:
      workers: number of actors to measure, 0: none; None: two, or as many as fit.
    Raises:
      ValueError: the configuration is wrong, or its data or model cannot be loaded.
    """
    if source is None and (overrides or workers is not None):
        raise ValueError("--set and --workers need a preset or a FILE.toml: name one")
    subject = None if source is None else _load(source, overrides, workers)
    family = open_family(subject[0]) if subject else None
    with waiting() as say:
        findings = list(check_installation(say))
    if not as_json:
        _show("This installation", findings)
    checked = ConfigurationCheck([])
    if subject and _lacks(findings, "TensorFlow"):
        skipped = "not checked: TensorFlow does not start here"
        checked.findings.append(Finding("configuration", skipped, "note"))
    elif subject and family:
        config, notes, num_actors = subject
        with waiting() as say:
            num_actors = 0 if _lacks(findings, "Ray") else num_actors
            checked = check_configuration(config, family, num_actors, say)
        checked.findings[:0] = [Finding("settings", note, "note") for note in notes]
    if as_json:
        print_json(_document(findings, checked))
    elif subject:
        _show(subject[0].name, checked.findings)
        _show_forecast(subject[0], checked.rows)
    return 1 if any_broken([*findings, *checked.findings]) else 0


def _load(
    source: str, overrides: list[str], workers: str | None
) -> tuple[MetaConfig, list[str], int]:
    """Return the configuration, notes on it, and the number of actors to measure it on."""
    config, notes = configuration.load(source, overrides)
    gpus, gpus_here = config.workers.gpus, runtime.count_gpus()
    if gpus and not gpus_here:
        notes.append(f"workers.gpus = {gpus:g}, and there is no GPU here: measured on the CPU")
        if not os.environ.get("RAY_ADDRESS"):
            gpus, config = 0, _with_workers(config, gpus=0)
    room = machine.num_cores() / config.workers.cpus
    if gpus and not os.environ.get("RAY_ADDRESS"):
        room = min(room, gpus_here / gpus)
    count: Any = min(2, max(1, int(room)))
    if workers is not None:
        count = parse_count(int(workers) if workers.isdigit() else workers)
        if not isinstance(count, int):
            raise ValueError(f"--workers {workers}: the doctor measures on a number of actors")
    config = _with_workers(config, count=count)
    check_machine(config)
    return config, notes, count


def _with_workers(config: MetaConfig, **changes: Any) -> MetaConfig:
    return config.model_copy(update={"workers": config.workers.model_copy(update=changes)})


def _lacks(findings: list[Finding], what: str) -> bool:
    """Return whether no finding says that `what` works."""
    return not any(f.what == what and f.verdict != "broken" for f in findings)


def _show(title: str, findings: list[Finding]) -> None:
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for finding in findings:
        mark, style = _MARKS[finding.verdict]
        table.add_row(Text(mark, style), finding.what, finding.found)
        if finding.advice:
            table.add_row("", "", Text(printable(f"→ {finding.advice}"), style))
    RESULTS.print(title, style="bold")
    RESULTS.print(table, soft_wrap=False)
    RESULTS.print()


def _show_forecast(config: MetaConfig, rows: list[Row]) -> None:
    if not rows:
        return
    table = Table(title=f"Forecast: {config.outer.steps:,} outer steps", title_justify="left")
    for name in ("workers", "tasks/s", "a step", "the run", "driver", "each actor"):
        table.add_column(name, justify="right")
    table.add_column("")
    fastest = max(rows, key=lambda row: row.tasks_per_s)
    for row in rows:
        table.add_row(
            str(row.num_actors),
            f"{row.tasks_per_s:,.0f}",
            duration(row.step_s),
            duration(row.run_s),
            gigabytes(row.driver_bytes),
            gigabytes(row.actor_bytes) if row.num_actors else "",
            row.basis,
            style="bold" if row is fastest else "",
        )
    RESULTS.print(table, soft_wrap=False)
    RESULTS.print(Text(_CAPTION, "dim"), soft_wrap=False)


def _document(findings: list[Finding], checked: ConfigurationCheck) -> dict[str, Any]:
    return {
        "installation": [asdict(finding) for finding in findings],
        "configuration": [asdict(finding) for finding in checked.findings],
        "forecast": [asdict(row) for row in checked.rows],
    }
