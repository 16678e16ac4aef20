"""Texts that go on: what was shown of a task, and what the model says before and after."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from orchestrator.config.schema import MetaConfig
from orchestrator.pool.base import Pool
from orchestrator.reporting.pictures.lines import Line, Tone, drawn, short
from workers.bits_per_character import bits_of_texts, mean_bits
from workers.tasks.display_text import DisplayText
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Adapted, Array, Block, Episode, Weights

_NUM_SHOWN, _NUM_SAMPLES = 4, 6


def prepare(
    config: MetaConfig,
    family: TaskFamily,
    pool: Pool,
    weights: Weights,
    blocks: Sequence[Block],
    words: Sequence[DisplayText],
) -> list[DisplayText]:
    """`words`, with samples of the model before and after it was adapted to each task of `blocks`.

    Drawn at temperature 1, from streams of evaluation.seed, the same before and after.
    """
    from workers.export.text_sampling import Sampler, SamplingOptions
    from workers.meta_parameters import make_test_model

    sampler = Sampler(make_test_model(config.worker, family), family.preparation)
    options = SamplingOptions(seed=config.evaluation.seed)
    before = sampler.generate(
        sampler.unadapted(weights.theta, weights.carry), _NUM_SAMPLES, options
    )
    adapting = [replace(block, kind="adapt") for block in blocks]
    found = [c.metrics for c in pool.run(weights, adapting)]
    thetas, statistics = (
        np.concatenate([each[name] for each in found]) for name in ("theta", "statistics")
    )
    return [
        said._replace(samples=(before, sampler.generate(Adapted(*own), _NUM_SAMPLES, options)))
        for said, own in zip(words, zip(thetas, statistics, strict=True), strict=True)
    ]


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText],
) -> Figure:
    """As `lines`, below `title`, "" for none."""
    above = [Line(title, "title")] if title else []
    return drawn([*above, *lines(episodes, outputs, inner_steps, words)])


def lines(
    episodes: Episode, outputs: Array, inner_steps: Sequence[int], words: Sequence[DisplayText]
) -> list[Line]:
    """The first task: some of its support set, and samples.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, length, tokens].
      inner_steps: the last of them counts as "after". words: of each task.
    """
    said, step = words[0], inner_steps[-1]
    targets = episodes.query_targets[0]
    before, after = (mean_bits(bits_of_texts(outputs[0, i], targets), targets) for i in (0, step))
    found = [Line(f"Shown: {len(said.support)} texts, of which", "title")]
    found += [Line(short(text), "muted") for text in said.support[:_NUM_SHOWN]]
    steps = f"{step} inner step{'s' if step > 1 else ''}"
    tones: tuple[Tone, Tone] = ("before", "after")
    headings = [
        f"Before: {before:.2f} bits per character on held-out texts",
        f"After {steps}: {after:.2f} bits per character",
    ]
    for heading, texts, tone in zip(headings, said.samples, tones, strict=True):
        found += [Line(""), Line(heading, "title"), *(Line(short(text), tone) for text in texts)]
    return found
