"""The memory of this process, where there is /proc and where there is none."""

import numpy as np

from workers.execution import process_memory
from workers.execution.process_memory import resident_bytes

MIB = 2**20


def test_what_is_taken_is_seen():
    before = resident_bytes()
    taken = np.ones(64 * MIB, np.uint8)
    assert resident_bytes() - before > 32 * MIB
    assert taken.all()


def test_without_proc_it_is_the_most_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(process_memory, "_STATM", tmp_path / "none")
    before = resident_bytes()
    assert before > 0
    assert resident_bytes() >= before
