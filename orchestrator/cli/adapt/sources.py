"""The trained run that a command adapts."""

from dataclasses import replace

from orchestrator.adaptation import artefact
from orchestrator.adaptation.artefact import Artefact
from orchestrator.cli.adapt.families import Command, check_family
from orchestrator.cli.common import check_machine
from orchestrator.config import schema as configuration
from workers.execution import isa


def open_run(run: str, command: Command) -> Artefact:
    """Open a run, if `command` is for runs of its kind.

    Raises:
      WrongFamilyError: another command is for such runs.
      RestartNeededError: this process was started for other instructions than the run's.
      ValueError: there is no run, or it has no validated checkpoint.
      CheckpointError: its checkpoint does not verify.
    """
    source = artefact.load(run)
    check_family(command, run, source.config.task.kind, source.examples.loss)
    isa.require(source.config.runtime.isa)
    return source


def with_workers(source: Artefact, workers: str) -> Artefact:
    """Return the run with another number of workers.

    Raises:
      ValueError: this is no number of workers, or this machine has too few cores or GPUs.
    """
    table = source.config.model_dump(mode="json", exclude_none=True)
    configuration.set_key(table, *configuration.parse_override(f"workers.count={workers}"))
    config = configuration.validate(table, is_stored=True)
    check_machine(config)
    return replace(source, config=config)
