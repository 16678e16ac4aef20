"""The folder of a synthetic run: made-up numbers, written by metatrain's own writers."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.config.schema import MetaConfig, to_toml
from orchestrator.evaluate import headline_metric, metric_names
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.pool.base import Incidents
from orchestrator.records.evaluation_protocol import protocol
from orchestrator.records.history import HistoryEntry, RunHistory
from orchestrator.records.metrics_log import MetricsLog
from orchestrator.reporting.pictures.render import draw
from orchestrator.storage.storage import Storage
from workers.tasks.family import TaskFamily
from workers.tasks.registry import make_family
from workers.wire.protocol import Episode, Place, Recipe

_ACTORS = [Place("node-a", 11, "a"), Place("node-a", 12, "a"), Place("node-b", 13, "b")]
_SECONDS = 0.02


def write_run(
    folder: Path,
    config: MetaConfig,
    *,
    steps: int | None = None,
    seed: int = 0,
    incidents: bool = True,
) -> Storage:
    """Write a run of `config` into `folder`, with an evaluation if it is finished.

    Args:
      steps: outer steps done; None: all.
      seed: seed of the numbers.
      incidents: whether actors were lost.
    """
    storage, family = Storage(str(folder)), make_family(config.task)
    storage.claim()
    storage.write("config.toml", to_toml(config).encode())
    steps = config.outer.steps if steps is None else steps
    rng = np.random.default_rng(seed)
    history = RunHistory(storage, _opening(config), print)
    log = MetricsLog(storage, 0)
    for row in _rows(config, family, steps, rng, incidents):
        log.append(row)
    log.commit(steps)
    log.close()
    history.note(steps, _ACTORS)
    if steps == config.outer.steps:
        _evaluate(config, family, storage, rng)
        history.end("finished")
    history.write()
    storage.release()
    return storage


def _opening(config: MetaConfig) -> HistoryEntry:
    command = f"metatrain train {config.name} --workers 3 --set outer.steps={config.outer.steps}"
    return HistoryEntry(command, "3 Ray actors", 0, 0)


def _rows(
    config: MetaConfig, family: TaskFamily, steps: int, rng: np.random.Generator, incidents: bool
) -> Iterator[dict[str, Any]]:
    """Yield rows with falling losses and constant noise; an actor is lost now and then."""
    counts = Incidents()
    for step in range(1, steps + 1):
        after = _level(step) * rng.lognormal(0, 0.2)
        seconds = _SECONDS * rng.lognormal(0, 0.1)
        row: dict[str, Any] = {"step": step, "loss_before": 3 * rng.lognormal(0, 0.1)}
        row["loss_after"] = after
        if "accuracy" in metric_names(family):
            row["accuracy"] = float(np.exp(-after))
        row |= {"tasks_per_s": config.outer.meta_batch_size / seconds, "seconds": seconds}
        if incidents and rng.random() < 20 / steps:
            counts.replaced_actors += 1
            counts.retried_calls += 2
        row |= {"skipped_tasks": 0, **asdict(counts)}
        if step % config.evaluation.every == 0 or step == config.outer.steps:
            for name in metric_names(family):
                level = _level(step) * rng.lognormal(0, 0.05)
                row[f"validation_{name}"] = level if name == "loss" else float(np.exp(-level))
        yield row


def _level(step: int) -> float:
    return 0.05 + 2.5 / (1 + step / 800)


def _evaluate(
    config: MetaConfig, family: TaskFamily, storage: Storage, rng: np.random.Generator
) -> None:
    most = max(config.evaluation.inner_steps)
    per_step = [_score(family, step, _level(config.outer.steps), rng) for step in range(most + 1)]
    validation = {"inner_steps": most, "inner_lr": 0.01, "candidates": []}
    result = {
        "protocol": protocol(config, family, validation, [], False),
        "before": per_step[0],
        "after": per_step[most],
        "per_step": per_step,
        "checkpoint": f"ckpt-{config.outer.steps:08d}",
        "theta_sha256": "ab" * 32,
        "metric": headline_metric(family)[0],
        "sign": headline_metric(family)[1],
        "warnings": [],
    }
    storage.write("evaluation.json", json.dumps(result, indent=1).encode())
    blocks = held_out_blocks(config, family, "test", 3, Recipe(0.01, most), "predict")
    built = [family.build(family.showcase(block.specs)) for block in blocks]
    episodes = Episode(*(np.concatenate(arrays) for arrays in zip(*built, strict=True)))
    outputs = _outputs(family, episodes, most, rng)
    steps = sorted(set(config.evaluation.inner_steps))
    draw(family.picture, episodes, outputs, steps, config.name).write(storage)


def _score(
    family: TaskFamily, step: int, level: float, rng: np.random.Generator
) -> dict[str, float]:
    loss = level + (2.5 if step == 0 else 0.3 / step) * rng.lognormal(0, 0.05)
    values = {"loss": loss, "accuracy": float(np.exp(-loss))}
    score: dict[str, float] = {"inner_step": step}
    for name in metric_names(family):
        score |= {name: values[name], f"{name}_ci95": 0.06 * values[name]}
    return score


def _outputs(
    family: TaskFamily, episodes: Episode, inner_steps: int, rng: np.random.Generator
) -> np.ndarray:
    """Make outputs that come closer to the targets with each inner step."""
    truth = episodes.query_targets
    if family.loss == "cross_entropy":
        truth = 2.0 * np.eye(family.num_outputs)[truth.astype(int)]
    near = np.arange(inner_steps + 1)[:, None, None] / inner_steps
    noise = rng.normal(size=(len(truth), inner_steps + 1, *truth.shape[1:]))
    smooth = noise if family.loss == "cross_entropy" else noise.mean(axis=2, keepdims=True)
    return near * truth[:, None] + (1 - near) * smooth
