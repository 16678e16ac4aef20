"""`metatrain WORDS...` with one slow moment, which it announces by writing the file `slow`.

    python slow_run.py write|step WORDS...

write: the second file of ckpt-00000020 takes long. step: step 25 takes long.
"""

import sys
import time
from pathlib import Path

import metatrain
from orchestrator import pool, storage

_SLOW_S = 3.0


def _announce_and_wait() -> None:
    Path("slow").write_text("now")
    time.sleep(_SLOW_S)


class SlowStorage(storage.Storage):
    """A disk that takes its time with one file."""

    def write(self, name, content):
        if "ckpt-00000020/carry" in name:
            _announce_and_wait()
        super().write(name, content)


class SlowPool(pool.InProcessPool):
    """A pool that takes its time with one step."""

    def run(self, weights, blocks):
        if blocks[0].step == 25:
            _announce_and_wait()
        return super().run(weights, blocks)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        storage.Storage = SlowStorage
    else:
        pool.InProcessPool = SlowPool
    del sys.argv[1]
    metatrain.main()
