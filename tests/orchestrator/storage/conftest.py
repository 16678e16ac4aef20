"""Fixtures of the tests of storage."""

import pytest


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    from orchestrator.storage.storage import Storage

    if request.param == "local":
        return Storage(str(tmp_path / "run"))
    return Storage("mock://bucket/run")
