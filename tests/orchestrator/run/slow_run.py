"""`metatrain WORDS...` with one slow moment: it writes the file `slow`, and waits for `go_on`.

    python slow_run.py write|step WORDS...

write: the second file of ckpt-00000020 takes long. step: step 25 takes long.
"""

import sys
import time
from pathlib import Path

import metatrain
from orchestrator.pool.base import InProcessPool
from orchestrator.storage.storage import Storage

_LONGEST_S = 120.0


def _announce_and_wait() -> None:
    Path("slow").write_text("now")
    until = time.monotonic() + _LONGEST_S
    while not Path("go_on").exists() and time.monotonic() < until:
        time.sleep(0.02)


def _slow_write(storage, name, content):
    """A disk that takes its time with one file."""
    if "ckpt-00000020/carry" in name:
        _announce_and_wait()
    _write(storage, name, content)


def _slow_step(pool, weights, blocks):
    """A pool that takes its time with one step."""
    if blocks[0].step == 25:
        _announce_and_wait()
    return _step(pool, weights, blocks)


_write, _step = Storage.write, InProcessPool.run

if __name__ == "__main__":
    if sys.argv[1] == "write":
        Storage.write = _slow_write
    else:
        InProcessPool.run = _slow_step
    del sys.argv[1]
    metatrain.main()
