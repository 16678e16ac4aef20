"""Another process that holds a folder."""

import contextlib
import subprocess
import sys

HOLD = """
import sys, time
from orchestrator.storage.storage import Storage
Storage(sys.argv[1]).claim()
print("claimed", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def another_process(folder):
    """It holds the folder, until it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "claimed\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
