"""The picture of a text generation: a task's support texts, and samples before and after."""

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
    """Add samples of the model, before and after adaptation to each task of `blocks`, to `words`.

    They are drawn at temperature 1 from streams of evaluation.seed, the same before and after.
    """
    from workers.export.text_sampling import Sampler, SamplingOptions
    from workers.meta_parameters import make_test_model, unadapted

    sampler = Sampler(make_test_model(config.worker, family), family.preparation)
    options = SamplingOptions(seed=config.evaluation.seed)
    start = unadapted(config.worker, family, weights)
    before = sampler.generate(start, _NUM_SAMPLES, options)
    adapting = [replace(block, kind="adapt") for block in blocks]
    results = [c.metrics for c in pool.run(weights, adapting)]
    thetas, statistics = (
        np.concatenate([result[name] for result in results]) for name in ("theta", "statistics")
    )
    return [
        text._replace(samples=(before, sampler.generate(Adapted(*learner), _NUM_SAMPLES, options)))
        for text, learner in zip(words, zip(thetas, statistics, strict=True), strict=True)
    ]


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText],
) -> Figure:
    """Draw the lines of `lines` below `title`, "" for none."""
    above = [Line(title, "title")] if title else []
    return drawn([*above, *lines(episodes, outputs, inner_steps, words)])


def lines(
    episodes: Episode, outputs: Array, inner_steps: Sequence[int], words: Sequence[DisplayText]
) -> list[Line]:
    """Show the first task: some of its support texts, and samples.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, length, tokens].
      inner_steps: the last of them counts as "after".
      words: the words of each task.
    """
    first, step = words[0], inner_steps[-1]
    targets = episodes.query_targets[0]
    before, after = (mean_bits(bits_of_texts(outputs[0, i], targets), targets) for i in (0, step))
    shown = [Line(f"Shown: {len(first.support)} texts, of which", "title")]
    shown += [Line(short(text), "muted") for text in first.support[:_NUM_SHOWN]]
    steps = f"{step} inner step{'s' if step > 1 else ''}"
    tones: tuple[Tone, Tone] = ("before", "after")
    headings = [
        f"Before: {before:.2f} bits per character on held-out texts",
        f"After {steps}: {after:.2f} bits per character",
    ]
    for heading, texts, tone in zip(headings, first.samples, tones, strict=True):
        shown += [Line(""), Line(heading, "title"), *(Line(short(text), tone) for text in texts)]
    return shown
