"""Sweeps over small runs, and what their runs give without a sweep."""

import io
import tomllib
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import tomli_w
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.config.schema import MetaConfig, to_toml
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.tensors import sha256


def write_sweep(folder: Path, base: MetaConfig, sweep: dict[str, Any]) -> Path:
    """A sweep's file in `folder`, beside that of its base."""
    (folder / "base.toml").write_text(to_toml(base))
    file = folder / "sweep.toml"
    file.write_text(tomli_w.dumps({"base": "base.toml", **sweep}))
    return file


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Return the content of sweep.parquet.

    It is read in one go: a running sweep may replace it between two reads.
    """
    return pq.read_table(io.BytesIO((out / "sweep.parquet").read_bytes())).to_pylist()


def theta_of(run: Path) -> tuple[int, str]:
    """The last step of a run, and the identity of its weights."""
    latest = checkpoint.load_latest(Storage(str(run)))
    assert latest is not None
    return latest[1].step, latest[1].theta_sha256


def undisturbed_theta(*overrides: str) -> tuple[int, str]:
    """The same of a run in this process."""
    launch = in_process(sinusoid(*overrides))
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    for _ in meta_train(launch.config, launch.family, launch.pool, outer):
        pass
    return outer.step, sha256(outer.state().theta)


def base_of(out: Path) -> dict[str, Any]:
    """Return the content of best.toml."""
    return tomllib.loads((out / "best.toml").read_text())
