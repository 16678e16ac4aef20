"""Damaged inputs of fuzz.py in batches: many in one process, one after another.

An input with a problem in a batch runs again alone: one that ends its process, hangs, or takes too
much memory would hide the inputs after it. Only the second run counts.
"""

import contextlib
import functools
import json
import os
import pickle
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fuzz_inputs
import fuzz_run
import typer.main
from fuzz_run import Outcome

from orchestrator.reporting.page import page

Planned = list[tuple[str, int]]


def outcomes(material: Path, seed: int, planned: Planned, batch: int) -> Iterator[Outcome]:
    """Run each planned input, `batch` of them in a process, and yield the outcomes."""
    for at in range(0, len(planned), batch):
        part = planned[at : at + batch]
        good = _in_one_process(material, seed, part) if batch > 1 else {}
        for kind, number in part:
            yield good.get((kind, number)) or fuzz_run.run(material, kind, seed, number)


def _in_one_process(material: Path, seed: int, planned: Planned) -> dict[tuple[str, int], Outcome]:
    """Run inputs in one process, and return the outcomes of those without a problem."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        log = Path(name, "outcomes")
        log.touch()
        child = os.fork()
        if not child:
            code = fuzz_run.NO_EXIT_CODE
            try:
                _run_all(material, seed, planned, Path(name), log)
                code = 0
            finally:
                os._exit(code)
        _wait(child, log)
        lines = log.read_text().splitlines(keepends=True)
    results = [Outcome(**json.loads(line)) for line in lines if line.endswith("\n")]
    return {(outcome.kind, outcome.number): outcome for outcome in results if not outcome.problem}


def _wait(child: int, log: Path) -> None:
    """Wait for the child; kill it if one input takes too long."""
    size, until = 0, time.monotonic() + fuzz_run.PATIENCE_S
    while not os.waitpid(child, os.WNOHANG)[0]:
        if log.stat().st_size > size:
            size, until = log.stat().st_size, time.monotonic() + fuzz_run.PATIENCE_S
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)


def _run_all(material: Path, seed: int, planned: Planned, folder: Path, log: Path) -> None:
    """Run each input in the child, and restore the files after it."""
    _make_once()
    copy = folder / "copy"
    shutil.copytree(material, copy)
    originals = fuzz_run.contents(copy)
    with log.open("a", buffering=1) as file:
        for kind, number in planned:
            words = fuzz_inputs.damage(copy, kind, seed, number, cache=folder / f"cache{number}")
            before, began = fuzz_run.contents(copy), time.monotonic()
            code, out, err = _call(words, folder)
            seconds = time.monotonic() - began
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer, after = (code, used, out, err), fuzz_run.contents(copy)
            outcome = fuzz_run.judge(kind, number, answer, seconds, before, after)
            print(json.dumps(asdict(outcome)), file=file)
            _restore(after, originals)


def _make_once() -> None:
    """Cache the costliest work that many inputs share: the commands, and a page's figures.

    An input changes one file of a run's, and with it only that file's figures.
    """
    vars(typer.main)["get_command"] = functools.cache(typer.main.get_command)
    made: dict[bytes, Any] = {}
    for name, needs in _FIGURES.items():
        vars(page)[name] = _once(made, name, needs, vars(page)[name])


#: Functions of page.py that draw -> the part of their argument that they draw.
_FIGURES: dict[str, Callable[[Any], Any]] = {
    "_by_inner_step": lambda result: result,
    "_spread": lambda run: (run.result, run.task_scores),
    "_curves": lambda run: run.rows,
}


def _once(
    made: dict[bytes, Any], name: str, needs: Callable[[Any], Any], draw: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    def drawn(argument: Any) -> Any:
        key = pickle.dumps((name, needs(argument)))
        if key not in made:
            made[key] = draw(argument)
        return made[key]

    return drawn


def _call(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Run `metatrain WORDS` in this process; return its exit code and both outputs."""
    paths = folder / "out", folder / "err"
    for number, path in enumerate(paths, start=1):
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    code = fuzz_run.command(words, folder)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(ValueError):
            stream.flush()
    return code, *(path.read_text(errors="replace") for path in paths)


def _restore(current: dict[str, bytes], originals: dict[str, bytes]) -> None:
    """Restore the original files, and remove others."""
    for path in current.keys() - originals.keys():
        os.unlink(path)
    for path, content in originals.items():
        if current.get(path) != content:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)
