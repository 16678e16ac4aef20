"""A pytest plugin that measures the time of tests by file and phase.

    PYTHONPATH=benchmarks/suite SUITE_PROFILE=FOLDER pytest -p suite_profile -n 2 --dist loadfile
    python benchmarks/suite/suite_profile.py FOLDER
    python benchmarks/suite/suite_profile.py FOLDER longest > tests/longest_files.txt

A thread samples the main thread's stack fifty times a second and finds its phase.
"""

import json
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

_EVERY_S = 0.02
# Function of a library -> phase; the outermost function of these decides.
_PHASES = {
    ("ray/_private/worker.py", "init"): "starting and ending Ray",
    ("ray/_private/worker.py", "shutdown"): "starting and ending Ray",
    ("ray/cluster_utils.py", "add_node"): "starting and ending Ray",
    ("ray/cluster_utils.py", "remove_node"): "starting and ending Ray",
    ("ray/cluster_utils.py", "shutdown"): "starting and ending Ray",
    ("ray/cluster_utils.py", "wait_for_nodes"): "starting and ending Ray",
    ("ray/_private/worker.py", "get"): "waiting for actors",
    ("ray/_private/worker.py", "wait"): "waiting for actors",
    ("subprocess.py", "wait"): "commands in processes of their own",
    ("subprocess.py", "communicate"): "commands in processes of their own",
    ("multiprocessing/process.py", "join"): "commands in processes of their own",
    ("importlib/_bootstrap.py", "_find_and_load"): "importing",
    ("polymorphic_function/polymorphic_function.py", "_initialize"): "tracing",
    ("polymorphic_function/tracing_compilation.py", "_maybe_define_function"): "tracing",
    ("eager/context.py", "call_function"): "running",
    ("eager/execute.py", "quick_execute"): "running",
}
_WAITING = {("threading.py", "wait"), ("selectors.py", "select"), ("threading.py", "join")}


class Sampler(threading.Thread):
    """A sampler of the main thread's phase, for the test file that is running."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.file, self.ended = "collection", False
        self.seconds: dict[str, Counter[str]] = defaultdict(Counter)
        self._main = threading.main_thread().ident
        self._known: set[Any] = set()
        self._last: tuple[int, Any] = (0, None)

    def run(self) -> None:
        """Sample until `ended`."""
        before = time.perf_counter()
        while not self.ended:
            time.sleep(_EVERY_S)
            frame = sys._current_frames().get(self._main or 0)
            now = time.perf_counter()
            if frame is not None:
                self.seconds[self.file][self._phase(frame)] += now - before
            before = now

    def _phase(self, frame: FrameType) -> str:
        current = ""
        for outer in _outwards(frame):
            for place, phase in _PHASES.items():
                if _is_in(outer, *place):
                    current = self._first_is_compiling(outer) if phase == "running" else phase
        waits = any(_is_in(frame, *place) for place in _WAITING)
        return current or ("waiting and sleeping" if waits else "Python")

    def _first_is_compiling(self, frame: FrameType) -> str:
        """Return "compiling" for the first sampled call of a function, else "running"."""
        name = frame.f_locals.get("op_name", frame.f_locals.get("name"))
        call = (id(frame), name)
        if not str(name).startswith(("b'__inference", "__inference")):
            return "running"
        if name not in self._known:
            self._known.add(name)
            self._last = call
        return "compiling" if self._last == call else "running"


def _is_in(frame: FrameType, file: str, function: str) -> bool:
    return frame.f_code.co_name == function and frame.f_code.co_filename.endswith(file)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


class Plugin:
    """A pytest plugin that tells the sampler which file runs, and writes its counts."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._sampler = folder, Sampler()
        self._sampler.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Attribute the time from now on to the file of the test that begins."""
        self._sampler.file = nodeid.partition("::")[0]

    def pytest_unconfigure(self) -> None:
        """Write the seconds by file and phase."""
        self._sampler.ended = True
        self._folder.mkdir(parents=True, exist_ok=True)
        counted = {file: dict(phases) for file, phases in self._sampler.seconds.items()}
        (self._folder / f"{os.getpid()}.json").write_text(json.dumps(counted))


def pytest_configure(config: Any) -> None:
    """Register the plugin in each process that runs tests, not in the one that distributes them."""
    deals = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not deals:
        config.pluginmanager.register(Plugin(Path(os.environ["SUITE_PROFILE"])), "suite-profile")


def read(folder: Path) -> dict[str, Counter[str]]:
    """Read the seconds of each phase, by file, over all processes."""
    files: dict[str, Counter[str]] = defaultdict(Counter)
    for part in folder.glob("*.json"):
        for file, phases in json.loads(part.read_text()).items():
            files[file].update(phases)
    return files


def longest(files: dict[str, Counter[str]], least_s: float = 10.0) -> str:
    """List seconds and name of each test file that takes long, for tests/file_order.py."""
    totals = {file: sum(phases.values()) for file, phases in files.items() if ".py" in file}
    order = sorted(totals, key=lambda file: -totals[file])
    return "\n".join(f"{totals[file]:.0f} {file}" for file in order if totals[file] >= least_s)


def tables(files: dict[str, Counter[str]], num_files: int = 25) -> str:
    """Format seconds by phase and by file as Markdown, the longest first."""
    phases = sum(files.values(), Counter())
    total = sum(phases.values())
    lines = ["| phase | seconds | share |", "|---|---|---|"]
    lines += [f"| {name} | {s:.0f} | {s / total:.0%} |" for name, s in phases.most_common()]
    lines += ["", "| file | seconds | most of it |", "|---|---|---|"]
    longest = sorted(files.items(), key=lambda item: -sum(item[1].values()))
    for file, counted in longest[:num_files]:
        most = ", ".join(f"{name} {s:.0f}" for name, s in counted.most_common(3))
        lines.append(f"| {file} | {sum(counted.values()):.0f} | {most} |")
    rest = sum(sum(counted.values()) for _, counted in longest[num_files:])
    lines.append(f"| {max(0, len(longest) - num_files)} others | {rest:.0f} | |")
    return "\n".join(lines)


if __name__ == "__main__":
    measured = read(Path(sys.argv[1]))
    print(longest(measured) if sys.argv[2:] == ["longest"] else tables(measured))
