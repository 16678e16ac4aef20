"""Train, be killed at a random moment, and resume, again and again. Prints what happened as JSON.

Everything is imported once, here, and nothing computed: each run is a fork of this process.

    python killed_runs.py CONFIG.toml FOLDER KILLS SEED
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy  # noqa: F401
import tensorflow  # noqa: F401

import metatrain
import orchestrator.reporting.terminal
import orchestrator.run.launch
import orchestrator.run.training_run  # noqa: F401
from workers import block  # noqa: F401

_LIMIT_S = 120


def start(config: str, out: Path, log: Path) -> int:
    """A child that runs `metatrain train CONFIG --out OUT --resume`; its process id."""
    child = os.fork()
    if child:
        return child
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.argv = ["metatrain", "train", config, "--out", str(out), "--resume"]
    code = 70
    try:
        metatrain.main()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(code)


def newest(out: Path) -> int:
    """The step of the newest committed checkpoint, -1 before the first."""
    steps = [int(file.parent.name[5:]) for file in out.glob("checkpoints/*/manifest.json")]
    return max(steps, default=-1)


def unfinished(out: Path) -> int:
    """How many folders of checkpoints have no manifest now."""
    return sum(not (folder / "manifest.json").exists() for folder in out.glob("checkpoints/*"))


def kill_at(child: int, out: Path, before: int, moment_s: float, in_start: bool) -> bool:
    """Kill the child: so long after it began, or after its first checkpoint. Whether it lived."""
    deadline = time.monotonic() + _LIMIT_S
    while not in_start and newest(out) <= before and time.monotonic() < deadline:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        time.sleep(0.002)
    time.sleep(moment_s)
    if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        return False
    os.kill(child, signal.SIGKILL)
    return True


def main() -> None:
    """Kill KILLS runs, let the last one end, and print what was seen."""
    config, out, kills, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    draw = random.Random(seed)
    log = out.with_suffix(".log")
    seen = {"kills": 0, "in_start": 0, "unfinished": 0, "codes": [], "steps": []}
    while seen["kills"] < kills:
        before, in_start = newest(out), seen["kills"] % 4 == 0
        child = start(config, out, log)
        moment_s = draw.uniform(0, 1.5 if in_start else 0.08)  # a few checkpoints long
        killed = kill_at(child, out, before, moment_s, in_start)
        _, status = os.waitpid(child, 0)
        if not killed:
            seen["codes"].append(os.waitstatus_to_exitcode(status))
            break
        seen["kills"] += 1
        seen["in_start"] += in_start
        seen["unfinished"] += unfinished(out)
        seen["steps"].append(newest(out))
    _, status = os.waitpid(start(config, out, log), 0)
    seen["codes"].append(os.waitstatus_to_exitcode(status))
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
