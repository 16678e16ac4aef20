"""How long `metatrain --help` takes in two clones, side by side: help_time.py CLONE CLONE.

Processor seconds of the whole process, 15 runs of each in turn after two that are not counted.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile


def seconds(clone: str) -> float:
    """Run the command once from `clone`; return its processor seconds."""
    environment = {**os.environ, "PYTHONPATH": clone}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "metatrain", "--help"],
        cwd=tempfile.gettempdir(),
        env=environment,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the least and the median of each."""
    clones = sys.argv[1:]
    for clone in clones * 2:
        seconds(clone)
    measured: dict[str, list[float]] = {clone: [] for clone in clones}
    for _ in range(15):
        for clone in clones:
            measured[clone].append(seconds(clone))
    for clone, values in measured.items():
        print(f"{clone}: least {min(values):.2f} s, median {statistics.median(values):.2f} s")


if __name__ == "__main__":
    main()
