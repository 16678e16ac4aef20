"""Damaged inputs of fuzz.py in batches: many in one process, one after another.

Whatever is not well in a batch is run again, alone: an input that ends its process, hangs, or takes
too much memory would hide what comes after it. Only that second run counts.
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
    """What became of each planned input, `batch` of them in a process."""
    for at in range(0, len(planned), batch):
        part = planned[at : at + batch]
        seen = _in_one_process(material, seed, part) if batch > 1 else {}
        for kind, number in part:
            yield seen.get((kind, number)) or fuzz_run.run(material, kind, seed, number)


def _in_one_process(material: Path, seed: int, planned: Planned) -> dict[tuple[str, int], Outcome]:
    """Of the inputs after which all was well."""
    with tempfile.TemporaryDirectory(prefix="fuzz") as name:
        told = Path(name, "told")
        told.touch()
        child = os.fork()
        if not child:
            code = fuzz_run.NO_EXIT_CODE
            try:
                _run_all(material, seed, planned, Path(name), told)
                code = 0
            finally:
                os._exit(code)
        _wait(child, told)
        lines = told.read_text().splitlines(keepends=True)
    found = [Outcome(**json.loads(line)) for line in lines if line.endswith("\n")]
    return {(each.kind, each.number): each for each in found if not each.problem}


def _wait(child: int, told: Path) -> None:
    """Kill it where it takes too long for one input."""
    size, until = 0, time.monotonic() + fuzz_run.PATIENCE_S
    while not os.waitpid(child, os.WNOHANG)[0]:
        if told.stat().st_size > size:
            size, until = told.stat().st_size, time.monotonic() + fuzz_run.PATIENCE_S
        if time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(0.005)


def _run_all(material: Path, seed: int, planned: Planned, folder: Path, told: Path) -> None:
    """In the child: each input, and then its files as they were."""
    _make_once()
    copy = folder / "copy"
    shutil.copytree(material, copy)
    originals = fuzz_run.contents(copy)
    with told.open("a", buffering=1) as file:
        for kind, number in planned:
            given = fuzz_inputs.damage(copy, kind, seed, number, cache=folder / f"cache{number}")
            before, began = fuzz_run.contents(copy), time.monotonic()
            code, out, err = _call(given, folder)
            seconds = time.monotonic() - began
            used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            answer, after = (code, used, out, err), fuzz_run.contents(copy)
            outcome = fuzz_run.judge(kind, number, answer, seconds, before, after)
            print(json.dumps(asdict(outcome)), file=file)
            _restore(after, originals)


def _make_once() -> None:
    """What costs most and is the same for many inputs: the commands, and a page's figures.

    An input changes one file of a run's, and only the figures of what that file says.
    """
    vars(typer.main)["get_command"] = functools.cache(typer.main.get_command)
    made: dict[bytes, Any] = {}
    for name, needs in _FIGURES.items():
        vars(page)[name] = _once(made, name, needs, vars(page)[name])


#: Functions of page.py that draw, and what they draw.
_FIGURES: dict[str, Callable[[Any], Any]] = {
    "_by_inner_step": lambda result: result,
    "_spread": lambda run: (run.result, run.task_scores),
    "_curves": lambda run: run.rows,
}


def _once(
    made: dict[bytes, Any], name: str, needs: Callable[[Any], Any], draw: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    def drawn(given: Any) -> Any:
        key = pickle.dumps((name, needs(given)))
        if key not in made:
            made[key] = draw(given)
        return made[key]

    return drawn


def _call(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit code and both outputs of `metatrain WORDS`, here."""
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


def _restore(there: dict[str, bytes], originals: dict[str, bytes]) -> None:
    """Make the files that are there what they were."""
    for path in there.keys() - originals.keys():
        os.unlink(path)
    for path, content in originals.items():
        if there.get(path) != content:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)
