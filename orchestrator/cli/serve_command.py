"""`metatrain serve`: answers requests over HTTP with a trained run."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import options
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.local_path import local_path
from orchestrator.serve.limits import Limits
from orchestrator.serve.listening import (
    TOKEN_VARIABLE,
    check_address,
    check_port,
    forget_token,
    read_token,
)

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.adaptation.artefact import Artefact
    from orchestrator.serve.on_ray.ray_server import ServerOptions
    from orchestrator.serve.on_ray.replica import ReplicaSettings

_USUAL = Limits()
_LONGEST_S = 366 * 24 * 3600
_MOST_MIB = 2**20
_NEEDED = ("starlette", "fastapi", "uvicorn", "python_multipart")


@command_settings(epilog="Example: metatrain serve runs/pets --port 8000")
def serve(
    source: options.Source,
    port: Annotated[
        int, typer.Option(min=1, max=65535, metavar="N", help="Port to listen at.")
    ] = 8000,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen at. One that other machines reach needs a token.",
        ),
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help=f"File with the token that clients must send. Default: {TOKEN_VARIABLE}, if set.",
        ),
    ] = None,
    replicas: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Processes that answer, a core each.")
    ] = 1,
    inner_steps: options.InnerSteps = None,
    inner_lr: options.InnerLr = None,
    statistics: options.Statistics = None,
    keep: Annotated[
        int, typer.Option(min=1, metavar="N", help="Support sets to keep for /predict/ID.")
    ] = _USUAL.kept,
    keep_for: Annotated[
        float,
        typer.Option(
            min=1,
            max=_LONGEST_S,
            callback=options.finite,
            metavar="S",
            help="Seconds to keep one that nobody asks.",
        ),
    ] = _USUAL.expiry_s,
    max_body: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=1024,
            callback=options.finite,
            metavar="MIB",
            help="Largest body of a request.",
        ),
    ] = _USUAL.body_bytes / 2**20,
    max_growth: Annotated[
        float,
        typer.Option(
            min=1,
            max=_MOST_MIB,
            callback=options.finite,
            metavar="MIB",
            help="Memory that a process may gain before another takes its place.",
        ),
    ] = _USUAL.growth_bytes / 2**20,
    verbose: options.Verbose = False,
) -> None:
    """Serve a trained run over HTTP: examples in, predictions out."""
    _check_installed()
    token = read_token(token_file)
    check_address(host, token)
    check_port(host, port)
    from orchestrator.adaptation.checks import change, with_statistics
    from orchestrator.cli.adapt.sources import open_run
    from orchestrator.serve.http.guard import digest_of
    from orchestrator.serve.on_ray.ray_server import ServerOptions
    from orchestrator.serve.on_ray.replica import ReplicaSettings

    run = with_statistics(open_run(source, "adapt"), statistics)
    settings = ReplicaSettings(
        recipe=change(run, inner_steps, inner_lr),
        limits=Limits(
            kept=keep,
            expiry_s=keep_for,
            body_bytes=int(max_body * 2**20),
            growth_bytes=int(max_growth * 2**20),
        ),
        token_digest=digest_of(token) if token else "",
    )
    forget_token()
    _serve(run, settings, ServerOptions(host, port, replicas, verbose))


def _serve(run: Artefact, settings: ReplicaSettings, options: ServerOptions) -> None:
    """Serve until a signal comes, which is how a service ends: the exit code is 0."""
    import contextlib
    import threading

    from orchestrator.cli.common import NOTES, RESULTS, waiting
    from orchestrator.cli.ending import stop
    from orchestrator.run.signals import Interrupted
    from orchestrator.serve.on_ray.ray_server import serving

    stop()
    is_ready = False
    try:
        with contextlib.ExitStack() as service:
            with waiting() as say:
                say(f"starting Ray and {options.replicas} replica{_s(options.replicas)}")
                service.enter_context(serving(run, settings, options))
            is_ready = True
            RESULTS.print(f"serving {run.origin} at {options.url}")
            threading.Event().wait()
    except Interrupted:
        if not is_ready:
            raise
        NOTES.print("stopped; what was asked has been answered")


def _s(number: int) -> str:
    return "s" if number != 1 else ""


def _check_installed() -> None:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{missing[0]} is not installed, which a service needs; run: "
            "pip install 'metatrain[serve]'"
        )
