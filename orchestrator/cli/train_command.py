"""`metatrain train`: a run in its folder, or in the first free one, until it ends or is stopped."""

import contextlib

from orchestrator.cli import typed_command
from orchestrator.cli.exit_codes import EXIT_STOPPED
from orchestrator.config.schema import MetaConfig
from orchestrator.run.locations import run_location
from orchestrator.run.signals import GracefulStop, Interrupted
from orchestrator.run.train import train
from orchestrator.storage.claim import InUseError
from orchestrator.text.lasting_console import say_last


def execute(
    config: MetaConfig,
    notes: list[str],
    preset: str,
    out: str | None,
    resume: bool,
    allow_changes: bool,
    verbose: bool,
    stop: GracefulStop,
) -> None:
    """Train to the end, and show it.

    Args:
      preset: what the configuration was loaded from. out: the run's folder; None for a free one.
    Raises:
      SystemExit: stopped by a signal; the last whole step is saved.
      ValueError, MetatrainError: the input was wrong, the run failed.
    """
    location = run_location(config, preset, out, resume)
    options = (resume, allow_changes, verbose, stop, typed_command.typed())
    found_free = out is None and not resume
    try:
        while True:
            with contextlib.suppress(*([InUseError] if found_free else [])):
                train(config, notes, location, *options)
                break
            location = run_location(config, preset, out, resume)  # somebody else has begun there
    except Interrupted:
        stop.ignore_to_the_end()
        say_last(f"stopped; go on with: {typed_command.resume_command(location)}")
        raise SystemExit(EXIT_STOPPED) from None
