"""A Ray that a command starts is private, whatever the environment says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
import ray
from listeners import beyond_loopback, family
from orchestrator.pool.ray_session import start_ray
start_ray(1, verbose=False)
@ray.remote
class Actor:
    def pid(self):
        return os.getpid()
actor = Actor.remote()
assert ray.get(actor.pid.remote()) in family(os.getpid())
print("beyond loopback:", beyond_loopback(family(os.getpid())))
from ray._private.authentication.authentication_utils import is_token_auth_enabled
print("token:", is_token_auth_enabled())
ray.shutdown()
"""


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("home", ["a folder", "nowhere"])
def test_a_ray_of_ours_listens_on_loopback_alone_and_wants_a_token(home, tmp_path):
    here = {"a folder": str(tmp_path), "nowhere": "/proc/nowhere"}[home]
    more = {"RAY_AUTH_MODE": "disabled", "HOME": here, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | more,
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout.splitlines() == ["beyond loopback: []", "token: True"], done.stderr
    token = tmp_path / ".ray" / "auth_token"
    assert token.is_file() == (home == "a folder")
    assert not token.is_file() or token.stat().st_mode & 0o077 == 0
