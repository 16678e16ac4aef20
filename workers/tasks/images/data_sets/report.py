"""What protocols, descriptions and notes say of data sets and of their splits."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from workers.settings.images_task import ImagesTask
from workers.tasks.images.data_sets.domains import Domains
from workers.tasks.images.data_sets.pools import Pools
from workers.tasks.images.published import notes_on_published, published_split
from workers.tasks.splits import SPLITS, Splits
from workers.wire.protocol import Split


def sources(settings: ImagesTask, domains: Domains, pools: Pools, split: Split) -> dict[str, Any]:
    """Return the rows of a protocol on data sets; {} for a single source."""
    if not domains.are_apart:
        return {"mix": True} if len(settings.paths) > 1 else {}
    trained = pools.of_split["train"]
    weights = [f"{pool.name} {pool.weight:g}" for pool in trained]
    return {
        "tasks_from": ", ".join(pool.name for pool in pools.of_split[split]),
        "trained_on": ", ".join(pool.name for pool in trained),
        "mix": False,
        "data_sets_drawn": "in training "
        + (f"by weight: {', '.join(weights)}" if settings.domain_weights else "uniformly")
        + "; held-out tasks are of each in turn",
    }


def published(domains: Domains, splits: Splits) -> dict[str, str]:
    """Return {"published_split": titles} of the data sets that are split as published, or {}."""
    titles = []
    for name, classes, own in domains.parts(splits):
        if found := published_split(domains.own_names(classes), own):
            titles.append(f"{name}: {found.title}" if name else found.title)
    return {"published_split": "; ".join(titles)} if titles else {}


def published_notes(domains: Domains, splits: Splits, counts: np.ndarray) -> list[str]:
    """Report images that are missing in data sets with a published split.

    Args:
      counts: images of each class.
    """
    notes = []
    for name, classes, own in domains.parts(splits):
        found = notes_on_published(domains.own_names(classes), own, counts[classes])
        notes += [f"{name}: {note}" if name else note for note in found]
    return notes


def described(domains: Domains, splits: Splits, counts: np.ndarray) -> Mapping[str, Any]:
    """Return {"data_sets": a line for each}; {} where classes of all are mixed."""
    if not domains.are_apart:
        return {}
    lines = []
    for name, classes, own in domains.parts(splits):
        numbers = ", ".join(f"{split} {len(own[split])}" for split in SPLITS if len(own[split]))
        images = int(counts[classes].sum())
        lines.append(f"{name}: {len(classes)} classes ({numbers}), {images} images")
    return {"data_sets": "\n".join(lines)}
