"""Commands as a user types them, and what they leave."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import warm_commands

from orchestrator.config.schema import to_toml

METATRAIN = warm_commands.METATRAIN


def environment():
    """As a user's: no settings of the tests, none of this terminal."""
    ours = ("TF_CPP_MIN_LOG_LEVEL", "METATRAIN_DATA", "RAY_ADDRESS", "FORCE_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    # No GPUs, wherever the tests run; and the `metatrain` of this environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return kept | {"CUDA_VISIBLE_DEVICES": "", "PATH": path}


def metatrain(folder, *words, **variables):
    """Run `metatrain WORDS...` in `folder`, in a process that has imported its modules."""
    return warm_commands.run(folder, *words, environment=environment() | variables)


def started(folder, *words):
    """The same as a shell does it."""
    return subprocess.run(
        [METATRAIN, *map(str, words)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )


def snapshot(folder):
    """Every file below `folder`: its content, and when it was written."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in sorted(folder.rglob("*"))
    }


def write_config(folder, config, name="small"):
    file = folder / f"{name}.toml"
    file.write_text(to_toml(config))
    return file.name


def theta_sha256(output):
    return re.search(r"theta after step \d+: sha256 ([0-9a-f]{64})", output).group(1)
