"""A cluster of three nodes on this machine, and a sequence of commands on it."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import warm_commands
from ray._private import services

STEPS = 200
#: What the dashboard's modules of their own processes are used for here: jobs, actors and nodes.
MODULES = "--modules-to-load=JobHead,NodeHead,StateHead"
MODEL = """
import keras
from keras import layers


def small(input_shape, num_outputs):
    hidden = layers.Dense(8, activation="tanh")
    return keras.Sequential([keras.Input(input_shape), hidden, layers.Dense(num_outputs)])
"""
OTHER_PYTHON = "#!/bin/sh\necho the wrong python; exit 99\n"


@dataclass
class Journey:
    """The commands that ran one after another on a cluster, and their results."""

    address: str
    home: Path
    code: Path
    done: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)

    def start(self, *words: str) -> warm_commands.Running:
        """Start `metatrain WORDS...` in the folder of the code, as on a laptop."""
        kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        ours = {"RAY_API_SERVER_ADDRESS": self.address, "CUDA_VISIBLE_DEVICES": ""}
        given = kept | ours | {"HOME": str(self.home)}
        return warm_commands.start(self.code, *words, environment=given, draws=False)

    def do(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, and record the result under `name`."""
        self.do_together({name: words})
        return self.done[name]

    def do_together(self, commands: Mapping[str, Sequence[str]]) -> None:
        """Run several commands at once, and record their results."""
        running = {name: self.start(*words) for name, words in commands.items()}
        self.done |= {name: each.done(timeout_s=500) for name, each in running.items()}

    def driver(self) -> int | None:
        """Return the pid of the job's process."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words, home = (process / "cmdline").read_text(), (process / "environ").read_text()
                if "-m\0metatrain\0train" in words and f"HOME={self.home}\0" in home:
                    return int(process.name)
        return None

    @property
    def id(self) -> str:
        return re.search(r"^submitted: (\S+)$", self.done["submit"].stdout, re.M).group(1)

    @property
    def run(self) -> Path:
        return self.home / "metatrain-runs" / self.id


def start_ray_process(
    command: list[str], *given: Any, start: Callable[..., Any] = services.start_ray_process, **more
) -> Any:
    """Start a process as Ray does, but a dashboard only with the modules that are used."""
    is_dashboard = any(word.endswith("dashboard/dashboard.py") for word in command)
    return start([*command, MODULES] if is_dashboard else command, *given, **more)


def until(journey: Journey, wanted: Callable[[], Any]) -> Any:
    """Wait until `wanted` returns a true value, and return it."""
    deadline = time.monotonic() + 240
    while not (result := wanted()):
        assert time.monotonic() < deadline, journey.start("logs", journey.id).done().stdout
        time.sleep(0.1)
    return result


def is_told_to_end(process: int) -> bool:
    """Return whether SIGTERM is pending for a stopped process."""
    status = Path(f"/proc/{process}/status").read_text()
    pending = re.search(r"^ShdPnd:\s*(\w+)$", status, re.M).group(1)
    return bool(int(pending, 16) >> (signal.SIGTERM - 1) & 1)
