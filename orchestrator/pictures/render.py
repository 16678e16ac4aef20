"""From a trained run to the PNG of its task family."""

import io
from types import ModuleType

import numpy as np

from orchestrator.blocks import held_out_blocks
from orchestrator.config import MetaConfig
from orchestrator.pictures import curves, image_episode
from orchestrator.pool import Pool
from workers.protocol import Block, Recipe, Weights
from workers.tasks.family import TaskFamily

PICTURES: dict[str, ModuleType] = {"curves": curves, "image_episode": image_episode}

_NUM_TASKS = 3


def render(
    config: MetaConfig, family: TaskFamily, pool: Pool, weights: Weights, recipe: Recipe
) -> bytes:
    """PNG of the first test tasks, predicted before and after each inner step."""
    blocks = [
        Block(b.kind, b.step, b.index, b.lo, b.hi, family.showcase(b.specs), b.recipe)
        for b in held_out_blocks(config, family, "test", _NUM_TASKS, recipe, "predict")
    ]
    outputs = np.concatenate([c.metrics["outputs"] for c in pool.run(weights, blocks)])
    episodes = [family.build(block.specs) for block in blocks]
    stacked = type(episodes[0])(*(np.concatenate(arrays) for arrays in zip(*episodes, strict=True)))
    steps = sorted(set(config.evaluation.inner_steps))
    figure = PICTURES[family.picture].draw(stacked, outputs, steps, config.name)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()
