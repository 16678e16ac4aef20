"""Test scores by domain: the mean over the test tasks of each data set."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.evaluate import interval
from workers.tasks.family import TaskFamily, domains_of
from workers.wire.protocol import Block


def scores_by_domain(
    family: TaskFamily,
    blocks: Sequence[Block],
    values: Mapping[str, NDArray[np.float64]],
    inner_steps: int,
) -> list[dict[str, Any]] | None:
    """Average the scores of the tasks of each domain.

    Args:
      blocks: blocks of the tasks.
      values: metric -> scores, float64 [tasks, inner steps + 1].
      inner_steps: number of inner steps after which tasks are scored.
    Returns:
      for each domain, in the order of its first task, {"domain", "tasks"} and for each metric its
      mean after `inner_steps`, its 95 % interval over the domain's tasks, "METRIC_ci95", unless
      there is a single one, and its mean before, "METRIC_before". None if tasks are of no domains.
    """
    names = [name for block in blocks for name in domains_of(family, block.specs)]
    if not names:
        return None
    of_task = np.array(names)
    rows = []
    for domain, number in Counter(names).items():
        row: dict[str, Any] = {"domain": domain, "tasks": number}
        for name, by_step in values.items():
            own = by_step[of_task == domain]
            with np.errstate(invalid="ignore", over="ignore"):  # adaptation may diverge
                row |= {name: float(own[:, inner_steps].mean())}
                if number > 1:
                    row[f"{name}_ci95"] = interval(own[:, inner_steps])
                row[f"{name}_before"] = float(own[:, 0].mean())
        rows.append(row)
    return rows
