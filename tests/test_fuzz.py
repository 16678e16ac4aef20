"""2 000 damaged inputs: no traceback, hang, appetite for memory, or file that is lost."""

import re
import subprocess
import sys

import fuzz
import pytest

pytestmark = pytest.mark.slow

INPUTS = 2000


def test_damaged_inputs_are_refused_in_a_line_or_taken():
    """In a process of its own, whose children have outputs that nothing else captures."""
    command = [sys.executable, fuzz.__file__, "--inputs", str(INPUTS)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{INPUTS} inputs in ")
    assert done.stdout.splitlines()[-1].endswith(" 0 problems")


def test_the_kinds_share_all_inputs():
    assert len(list(fuzz.plan(INPUTS))) == INPUTS


@pytest.mark.parametrize(
    ("code", "seconds", "used", "err", "lost", "problem"),
    [
        (2, 1.0, 10**8, "metatrain: no", [], ""),
        (2, 31.0, 10**8, "metatrain: no", [], "no answer"),
        (1, 1.0, 10**8, "Traceback (most recent call last):\nmetatrain: no", [], "a traceback"),
        (-9, 1.0, 10**8, "", [], "exit code -9"),
        (2, 1.0, 10**8, "ValueError: no", [], "a refusal without a line"),
        (0, 1.0, 3 * 10**9, "", [], "3.0 GB"),
        (0, 1.0, 10**8, "", ["run/config.toml"], "changed config.toml"),
    ],
)
def test_what_is_wrong_is_seen(tmp_path, code, seconds, used, err, lost, problem):
    last = (err.splitlines() or [""])[-1]
    found = fuzz._problem(code, seconds, used, err, last, [tmp_path / name for name in lost])
    assert re.match(problem or "$", found)
