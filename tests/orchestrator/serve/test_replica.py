"""The process of a replica, without Ray."""

import pytest

from orchestrator.serve.on_ray import replica
from orchestrator.serve.on_ray.replica import Replica
from workers.wire.errors import MetatrainError

MIB = 2**20


def test_a_replica_that_has_grown_too_much_does_not_pass_its_check(monkeypatch):
    sizes = iter([700, 700, 700, 799, 799, 801, 790, 801, 801])
    monkeypatch.setattr(replica, "resident_bytes", lambda: next(sizes) * MIB)
    here = Replica(100 * MIB)
    here.check_health()
    here.check_health()
    here.check_health()  # what was freed goes back to the system first
    with pytest.raises(MetatrainError, match=r"holds 801 MiB, more than the 800 allowed; another"):
        here.check_health()
