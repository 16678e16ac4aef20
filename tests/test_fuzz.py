"""2 000 damaged inputs: no traceback, hang, excess of memory, or lost file."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import fuzz
import fuzz_batches
import fuzz_inputs
import fuzz_run
import pytest

INPUTS = 2000


@pytest.mark.slow
def test_damaged_inputs_are_refused_in_a_line_or_taken():
    """Run in a new process, whose children's outputs nothing else captures."""
    command = [sys.executable, fuzz.__file__, "--inputs", str(INPUTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{INPUTS} inputs in ")
    assert done.stdout.splitlines()[-1].endswith(" 0 problems")


def test_the_kinds_share_all_inputs():
    assert len(list(fuzz_inputs.plan(INPUTS))) == INPUTS


@pytest.mark.parametrize(
    ("code", "seconds", "used", "err", "lost", "problem"),
    [
        (2, 1.0, 10**8, "metatrain: no", [], ""),
        (2, 31.0, 10**8, "metatrain: no", [], "no answer"),
        (1, 1.0, 10**8, "Traceback (most recent call last):\nmetatrain: no", [], "a traceback"),
        (-9, 1.0, 10**8, "", [], "exit code -9"),
        (2, 1.0, 10**8, "ValueError: no", [], "an error without a line"),
        (0, 1.0, 3 * 10**9, "", [], "3.0 GB"),
        (0, 1.0, 10**8, "", ["run/config.toml"], "changed config.toml"),
    ],
)
def test_what_is_wrong_is_seen(tmp_path, code, seconds, used, err, lost, problem):
    last = (err.splitlines() or [""])[-1]
    gone = [str(tmp_path / name) for name in lost]
    result = fuzz_run._problem(code, seconds, used, err, last, gone)
    assert re.match(problem or "$", result)


def _its_number(folder, kind, seed, number, cache):
    return [str(number)]


def nothing(folder):
    pass


def dies(folder):
    os.kill(os.getpid(), signal.SIGKILL)


def hangs(folder):
    time.sleep(60)


def overwrites(folder):
    (folder / "copy" / "table.csv").write_text("mine")


def deletes(folder):
    (folder / "copy" / "table.csv").unlink()


def tells_a_traceback(folder):
    os.write(2, b"Traceback (most recent call last):\n")


def fills_memory(folder):
    assert bytearray(b"\1") * 600_000_000


@pytest.mark.slow
def test_what_one_input_of_a_batch_does_is_seen_and_does_to_no_other(tmp_path, monkeypatch):
    """Each input finds its files restored; one that ends the process hides no other."""
    inputs = {
        nothing: "",
        overwrites: "changed table.csv",
        deletes: "changed table.csv",
        tells_a_traceback: "a traceback",
        fills_memory: r"\d\.\d GB of memory",
        dies: "exit code -9",
        hangs: "no answer",
    }
    does = [nothing, *inputs, nothing]
    (tmp_path / "table.csv").write_text("x,y\n")
    _, resident, mapped, *_ = map(int, Path("/proc/self/statm").read_text().split())
    used = (resident - mapped) * resource.getpagesize()  # what a fork begins with
    for name, value in {
        "_LIMIT_BYTES": used + 300_000_000,
        "_LIMIT_S": 6.0,
        "PATIENCE_S": 7.0,
        "command": lambda words, folder: does[int(words[0])](folder) or 0,
    }.items():
        monkeypatch.setattr(fuzz_run, name, value)
    monkeypatch.setattr(fuzz_inputs, "damage", _its_number)
    planned = [("csv", number) for number in range(len(does))]
    result = list(fuzz_batches.outcomes(tmp_path, 0, planned, batch=len(planned)))
    assert [(item.kind, item.number) for item in result] == planned
    for item in result:
        assert re.match(inputs[does[item.number]] or "$", item.problem), does[item.number]
    assert (tmp_path / "table.csv").read_text() == "x,y\n"
