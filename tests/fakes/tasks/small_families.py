"""Task families of random numbers, and settings for them."""

from typing import Any

import numpy as np

from workers.algorithms.maml import MamlAlgorithm
from workers.models.mlp import MlpModel
from workers.settings.images_task import ImagesTask
from workers.settings.sinusoid_task import SinusoidTask
from workers.settings.worker import ActorSettings
from workers.tasks.sinusoid import SinusoidFamily
from workers.wire.protocol import Block, Draw, Episode, Recipe, take

WAYS = 3


class NoiseFamily:
    """Classification of noise: a class is a fixed random array, an example is it and more noise."""

    loss = "cross_entropy"
    picture = "image_episode"
    digest = "noise"
    num_outputs = WAYS
    num_train_classes = 7
    num_tokens = None

    def __init__(self, input_shape: tuple[int, ...] = (4, 4, 1)):
        self.input_shape = input_shape
        shape = (self.num_train_classes, *input_shape)
        self._classes = np.random.default_rng(0).normal(size=shape)

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> dict[str, Any]:
        generators = [draw.generator(task) for task in range(lo, hi)]
        choices = [rng.choice(self.num_train_classes, WAYS, replace=False) for rng in generators]
        return {
            "classes": np.array(choices),
            "support_seeds": np.array(
                [rng.integers(0, 2**31, (WAYS, shots)) for rng in generators]
            ),
            "query_seeds": np.array(
                [rng.integers(0, 2**31, (WAYS, queries)) for rng in generators]
            ),
        }

    def build(self, specs: Any, *, global_labels: bool = False) -> Episode:
        def examples(seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            tasks, ways, number = seeds.shape
            noise = [
                np.random.default_rng(seed).normal(size=self.input_shape) for seed in seeds.flat
            ]
            noises = np.reshape(noise, (*seeds.shape, *self.input_shape))
            inputs = self._classes[specs["classes"]][:, :, None] + 0.5 * noises
            labels = specs["classes"] if global_labels else np.tile(np.arange(ways), (tasks, 1))
            return (
                inputs.reshape(tasks, ways * number, *self.input_shape).astype(np.float32),
                np.repeat(labels, number, axis=1).astype(np.int32),
            )

        support, query = examples(specs["support_seeds"]), examples(specs["query_seeds"])
        return Episode(*support, *query)


def sinusoid_settings(**changes: Any) -> ActorSettings:
    common = {
        "task": SinusoidTask(shots=5, queries=5),
        "model": MlpModel(hidden=(16,)),
        "algorithm": MamlAlgorithm(),
    }
    return ActorSettings(**{**common, **changes})


def noise_settings(**changes: Any) -> ActorSettings:
    """For NoiseFamily: the images of `task` are never opened."""
    common = {
        "task": ImagesTask(ways=WAYS, shots=2, queries=2),
        "model": MlpModel(hidden=(16,), normalization="batch"),
        "algorithm": MamlAlgorithm(inner_lr=0.1),
    }
    return ActorSettings(**{**common, **changes})


def make_family(settings: ActorSettings) -> Any:
    task = settings.task
    return SinusoidFamily(task) if task.kind == "sinusoid" else NoiseFamily()


def train_block(settings: ActorSettings, family: Any, lo: int, hi: int, step: int = 3) -> Block:
    task, draw = settings.task, Draw(settings.seed, "train", step)
    return Block("train", step, 0, lo, hi, family.sample(draw, lo, hi, task.shots, task.queries))


def held_out_block(
    settings: ActorSettings, family: Any, kind: Any, num_tasks: int, recipe: Recipe
) -> Block:
    task, draw = settings.task, Draw(settings.seed, "test", 0)
    specs = family.sample(draw, 0, num_tasks, task.shots, task.queries)
    return Block(kind, 0, 0, 0, num_tasks, specs, recipe)


def part(block: Block, lo: int, hi: int) -> Block:
    """Tasks [lo, hi) of a block that begins at 0."""
    return Block(block.kind, block.step, lo, lo, hi, take(block.specs, lo, hi), block.recipe)
