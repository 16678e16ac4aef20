"""Runs that take a moment, and pools that misbehave."""

import contextlib
import functools
import random
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from small_configs import REPTILE, REPTILE_ADAM, USER_MODEL, images, sinusoid

from orchestrator.config.schema import MetaConfig
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.base import Incidents, InProcessPool
from orchestrator.run.launch import Launch
from workers import block
from workers.block import BlockRunner
from workers.execution.fingerprint import fingerprint as fingerprint_here
from workers.model_checks.user_model import ModelFacts, check_model
from workers.models.user_model import KerasModel
from workers.policies import rollout_adaptation
from workers.policies.policy_batch import PolicyBatch
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily, digests_of
from workers.tasks.registry import make_family
from workers.wire.errors import PoolError
from workers.wire.protocol import Block, Contribution, Place, Weights
from workers.wire.tensors import sha256

_OWN_MODELS = str(Path(__file__).parent / "tasks")


def in_process(config: MetaConfig) -> Launch:
    """What `launch` gives for workers.count = 0, without its messages."""
    family, runner, facts = _family_and_runner(config.worker.model_dump_json())
    digests = family.digest, runner.model_digest, runner.loss_digest
    fingerprint = fingerprint_here(*digests, digests_of(family))
    return Launch(config, family, InProcessPool(runner), "a test", fingerprint, facts)


@functools.cache
def _family_and_runner(settings: str) -> tuple[TaskFamily, BlockRunner, ModelFacts | None]:
    worker = ActorSettings.model_validate_json(settings)
    family = make_family(worker.task, worker.model)
    facts = check_model(worker, family) if worker.model.kind == "keras" else None
    return family, _runner(worker, family), facts


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """The product, too, is given the block runners that there are, with their graphs."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(block, "BlockRunner", _runner)
        monkeypatch.setattr(rollout_adaptation, "PolicyBatch", _policy_batch)
        yield


_kept: dict[Hashable, Any] = {}


def _runner(settings: ActorSettings, family: TaskFamily) -> BlockRunner:
    """Traced and compiled once for all tests of a process: it keeps no training state."""
    key = settings.model_dump_json(), type(family), family.digest
    if key not in _kept or _may_change(settings):
        _kept[key] = BlockRunner(settings, family)
    return _kept[key]


def _policy_batch(settings: ActorSettings, family: Any, *parts: Any) -> PolicyBatch:
    """The same for the graphs of policies, whose environments may be new ones each time."""
    key = settings.model_dump_json(), family.loss, family.input_shape, family.num_outputs
    if key not in _kept or _may_change(settings):
        _kept[key] = PolicyBatch(settings, family, *parts)
    return _kept[key]


def _may_change(settings: ActorSettings) -> bool:
    """Whether the model is from a file that a test may change."""
    model = settings.model
    return isinstance(model, KerasModel) and model.folder != _OWN_MODELS


class ShuffledPool:
    """Blocks are run in a random order and come back in another one."""

    name = "shuffled"

    def __init__(self, pool: Any, seed: int = 0):
        self._pool, self._random = pool, random.Random(seed)
        self.incidents = Incidents()
        self.num_ready = 0
        self.latencies_s: list[float] = []

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        order = self._random.sample(list(blocks), len(blocks))
        contributions = [self._pool.run(weights, [block])[0] for block in order]
        self._random.shuffle(contributions)
        return contributions

    def places(self) -> list[Place]:
        return []

    def close(self) -> None:
        self._pool.close()


class TwicePool(ShuffledPool):
    """Every block is run twice, as after an actor that died with its answer; the second counts."""

    name = "twice"

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        super().run(weights, blocks)
        return super().run(weights, blocks)


class BreakingPool(ShuffledPool):
    """At one step, dies after its first block."""

    name = "breaking"

    def __init__(self, pool: Any, step: int):
        super().__init__(pool)
        self._step = step

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        if blocks[0].step == self._step:
            self._pool.run(weights, blocks[:1])
            raise PoolError(f"nobody is left at step {self._step}")
        return super().run(weights, blocks)


#: What is compared bit for bit: name -> (whether it needs images, overrides).
CASES: dict[str, tuple[bool, list[str]]] = {
    "maml on conv4": (True, ["outer.steps=50", "workers.block_size=2"]),
    "reptile on sinusoids": (False, [*REPTILE, "outer.steps=50", "runtime.xla=true"]),
    "reptile with inner adam": (False, [*REPTILE_ADAM, "outer.steps=50"]),
    "a user's model": (False, [*USER_MODEL, "outer.steps=50", "model.statistics=running"]),
}


def case(name: str, image_zip: Path, image_cache: Path) -> MetaConfig:
    needs_images, overrides = CASES[name]
    if needs_images:
        return images(image_zip, image_cache, *overrides)
    return sinusoid(*overrides)


def sha256_after(launch: Launch, pool: Any = None) -> str:
    """The identity of theta after all steps from step 0."""
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    for _ in meta_train(launch.config, launch.family, pool or launch.pool, outer):
        pass
    assert outer.step == launch.config.outer.steps
    return sha256(outer.state().theta)
