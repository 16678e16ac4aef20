"""Deliberate breaks: which tests catch a wrong change, and how soon.

    python benchmarks/suite/breaks.py

breaks.toml holds small wrong changes, and for each the tests that should catch it. Each is made in
a copy of the files that git tracks, where these tests run until one fails. If none fails, the break
has survived, and a test is missing. First the tests run without any break, as a test that fails
then would catch anything. A break that cannot be imported, or a test that does not exist, is an
error and does not count as caught.

Exit codes: 0 all were caught, 1 one has survived or could not be judged, 2 wrong input.
"""

import json
import os
import queue
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import forked_pytest
import typer
from forked_pytest import LIBRARIES
from rich.console import Console

ROOT = Path(__file__).parents[2]
_DATA = Path(__file__).with_suffix(".toml")
# These tests compare with the unchanged code: a break would always fail them.
_OURS = "tests/test_breaks.py"
# pytest's exit codes: tests failed; none ran. Others except 0 are no verdict on the code.
_FAILED, _NO_TESTS = 1, 5


class Which(StrEnum):
    """The tests to run: those of a break, the quick ones of these, all quick ones, or all."""

    LISTED = "listed"
    LISTED_QUICK = "listed-quick"
    QUICK = "quick"
    ALL = "all"


_NOT_SLOW = "not slow"
#: Time limits in seconds; a test that hangs does not catch a break.
_LIMIT_S = dict(zip(Which, (300.0, 300.0, 3600.0, 7200.0), strict=True))


@dataclass(frozen=True, slots=True)
class Break:
    """A wrong change.

    room: the part of metatrain that it belongs to.
    old: a text that is in `file` exactly once.
    new: its replacement.
    tests: files or node ids that should catch it.
    """

    name: str
    room: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Dotted name of the file's module; "" if it is not a module."""
        return self.file.removesuffix(".py").replace("/", ".") if self.file[-3:] == ".py" else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of running tests on a break.

    test: the first test that failed.
    why: the reason of an error.
    """

    kind: Literal["caught", "survived", "error"]
    seconds: float
    test: str = ""
    why: str = ""

    def __str__(self) -> str:
        texts = {"caught": f"caught by {self.test}", "survived": "SURVIVED"}
        return f"{texts.get(self.kind, f'ERROR: {self.why}')} after {self.seconds:.1f} s"


def read_breaks(file: Path = _DATA) -> list[Break]:
    """Read the breaks of a TOML file, in its order."""
    rows = tomllib.loads(file.read_text(encoding="utf-8"))["break"]
    return [Break(**row | {"tests": tuple(row["tests"])}) for row in rows]


def faults(root: Path, breaks: Sequence[Break]) -> list[str]:
    """List what makes breaks useless before any test runs, a line for each fault."""
    lines = [
        f"the name {name} occurs {count} times"
        for name, count in Counter(change.name for change in breaks).items()
        if count > 1
    ]
    for change in breaks:
        count = (root / change.file).read_text("utf-8").count(change.old)
        if count != 1:
            lines.append(f"{change.name}: {change.file} holds `old` {count} times")
        if change.old == change.new or not change.tests:
            lines.append(f"{change.name}: changes nothing, or lists no test")
        files = {test.partition("::")[0] for test in change.tests}
        lines += [f"{change.name}: no {file}" for file in files if not (root / file).is_file()]
    return lines


@contextmanager
def copies(root: Path, number: int) -> Iterator["queue.Queue[Path]"]:
    """Make `number` copies of the tree, in a queue from which they are taken and put back."""
    files = _tracked(root)
    free: queue.Queue[Path] = queue.Queue()
    with tempfile.TemporaryDirectory(prefix="breaks-", ignore_cleanup_errors=True) as folder:
        for i in range(number):
            for file in files:
                target = Path(folder, str(i), file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / file, target, follow_symlinks=False)
            free.put(Path(folder, str(i)))
        yield free


def _tracked(root: Path) -> list[str]:
    """List the files that git tracks, or without git all that are not hidden."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)
    named = [name for name in listing.stdout.split("\0") if name and os.path.lexists(root / name)]
    if named:
        return named
    paths = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    unwanted = re.compile(r"__pycache__|runs|\..*")
    return [str(path) for path in paths if not any(map(unwanted.fullmatch, path.parts))]


def run_tests(
    copy: Path, words: Sequence[str], modules: Sequence[str], limit_s: float | None = None
) -> Outcome:
    """Run pytest in a copy, until a test fails.

    Args:
      words: pytest's arguments that choose the tests.
      modules: modules that must be imported from the copy.
    """
    paths = [str(copy), str(copy / "benchmarks"), str(Path(__file__).parent)]
    # Cached bytecode is matched by size and second, which a break may not change.
    variables = {"PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    report = copy.with_suffix(".json")
    report.unlink(missing_ok=True)
    arguments = ["-x", "-q", "-p", "no:cacheprovider", "-p", "caught"]
    arguments += [f"--caught-in={report}", f"--caught-modules={','.join(modules)}", *words]
    environment = os.environ | variables
    began = time.monotonic()
    code, output = forked_pytest.run(arguments, copy, environment, limit_s, LIBRARIES)
    seconds = time.monotonic() - began
    if code is None:
        return Outcome("error", seconds, why=f"no test has failed within {limit_s:.0f} s")
    result = json.loads(report.read_text()) if report.exists() else {"test": "", "problem": ""}
    if code == _NO_TESTS and _NOT_SLOW in words:
        return Outcome("survived", seconds)
    if result["problem"] or code not in (0, _FAILED) or (code == _FAILED and not result["test"]):
        last = [line for line in output.splitlines() if line.strip()][-1:]
        why = result["problem"] or f"pytest ended with {code}: {''.join(last)}"
        return Outcome("error", seconds, why=why)
    return Outcome("caught" if code else "survived", seconds, result["test"])


def judge(copy: Path, broken: Break, which: Which) -> Outcome:
    """Make a break in a copy, run tests, and undo it."""
    file = copy / broken.file
    content = file.read_text("utf-8")
    file.write_text(content.replace(broken.old, broken.new), "utf-8")
    try:
        return run_tests(copy, _words(which, [broken]), [broken.module], _LIMIT_S[which])
    finally:
        file.write_text(content, "utf-8")


def _words(which: Which, breaks: Sequence[Break]) -> list[str]:
    """Return pytest's arguments that choose the tests."""
    listed = dict.fromkeys(test for change in breaks for test in change.tests)
    tests = listed if which.startswith("listed") else [f"--ignore={_OURS}"]
    return [*tests, "-m", _NOT_SLOW if which.endswith("quick") else ""]


def judge_all(
    root: Path,
    breaks: Sequence[Break],
    which: Which = Which.LISTED,
    workers: int = 1,
    say: Callable[[str], object] = print,
) -> dict[str, Outcome]:
    """Run tests on each break, and return the outcomes by its name; `say` reports progress.

    Raises:
      ValueError: a break cannot be made, or its tests fail without it.
    """
    if wrong := faults(root, breaks):
        raise ValueError("\n".join(wrong))
    with copies(root, workers) as free, ThreadPoolExecutor(workers) as pool:
        copy = free.get()
        whole = run_tests(copy, _words(which, breaks), [change.module for change in breaks])
        if whole.kind != "survived":
            raise ValueError(f"without any break: {whole.test or whole.why}")
        say(f"without any break all tests pass ({whole.seconds:.0f} s)")
        free.put(copy)
        done, lock = 0, threading.Lock()

        def one(broken: Break) -> Outcome:
            nonlocal done
            copy = free.get()
            try:
                outcome = judge(copy, broken, which)
            finally:
                free.put(copy)
            with lock:
                done += 1
                say(f"{done}/{len(breaks)} {broken.name}: {outcome}")
            return outcome

        outcomes = pool.map(one, breaks)
        return {change.name: outcome for change, outcome in zip(breaks, outcomes, strict=True)}


def table(breaks: Sequence[Break], outcomes: dict[str, Outcome]) -> str:
    """Format the outcomes as Markdown."""
    lines = ["| break | room | caught by | after |", "|---|---|---|---|"]
    for change in breaks:
        outcome = outcomes[change.name]
        file, _, test = outcome.test.partition("[")[0].partition("::")
        by = f"`{Path(file).name}::{test}`" if outcome.kind == "caught" else str(outcome)
        lines.append(f"| {change.name} | {change.room} | {by} | {outcome.seconds:.0f} s |")
    return "\n".join(lines) + "\n"


def main(
    only: Annotated[list[str] | None, typer.Option(help="A break's name; repeatable.")] = None,
    sample: Annotated[int | None, typer.Option(help="Number of breaks to draw.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Seed of --sample.")] = 0,
    tests: Annotated[Which, typer.Option(help="Tests to run.")] = Which.LISTED,
    workers: Annotated[int, typer.Option(help="Breaks to try at once.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Write a table into this file.")] = None,
) -> None:
    """Make each break in a copy, and see which test catches it."""
    console = Console(soft_wrap=True, markup=False, highlight=False)
    breaks = read_breaks()
    if unknown := set(only or []) - {change.name for change in breaks}:
        raise typer.BadParameter(f"there is no break called {', '.join(sorted(unknown))}")
    chosen = [change for change in breaks if not only or change.name in only]
    if sample is not None:
        chosen = random.Random(seed).sample(chosen, min(sample, len(chosen)))
    try:
        outcomes = judge_all(ROOT, chosen, tests, workers, console.print)
    except ValueError as error:
        console.print(str(error))
        raise typer.Exit(2) from None
    if out is not None:
        out.write_text(table(chosen, outcomes), "utf-8")
    kinds = Counter(outcome.kind for outcome in outcomes.values())
    console.print(
        f"{kinds['caught']} of {len(chosen)} caught, {kinds['survived']} survived, "
        f"{kinds['error']} not judged; tests: {tests}" + (f", seed {seed}" if sample else "")
    )
    raise typer.Exit(0 if kinds["caught"] == len(chosen) else 1)


if __name__ == "__main__":
    typer.run(main)
