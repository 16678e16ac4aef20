"""What a trial needs of a cluster: a CPU for its driver, and what each of its actors takes."""

from collections.abc import Sequence
from typing import Any

from orchestrator.actor_count import CountRange
from orchestrator.config import MetaConfig
from workers.errors import PoolError

Bundle = dict[str, float]


def num_actors(config: MetaConfig) -> int:
    """Of a trial: the least of a range, and none for auto: trials share a machine better."""
    count = config.workers.count
    if isinstance(count, CountRange):
        return count.min
    return 0 if count == "auto" else count


def bundles(config: MetaConfig) -> list[Bundle]:
    """The trial's driver first; where there are no actors, it has their share of a GPU."""
    count, gpus = num_actors(config), config.workers.gpus
    share = {"GPU": gpus} if gpus else {}
    if count == 0:
        return [{"CPU": max(1.0, config.workers.cpus), **share}]
    return [{"CPU": 1.0}, *({"CPU": config.workers.cpus, **share} for _ in range(count))]


def check_room(needed: Sequence[Bundle], nodes: Sequence[dict[str, Any]]) -> None:
    """Refuse a trial for which the cluster has no room even when it is empty.

    Args:
      nodes: resources of each that is alive.
    Raises:
      PoolError: names what a trial needs and what there is.
    """
    left = [dict(node) for node in nodes]
    for bundle in sorted(needed, key=lambda bundle: -sum(bundle.values())):
        room = next((node for node in left if _fits(bundle, node)), None)
        if room is None:
            raise PoolError(
                f"a trial needs {_sum(needed)} ({len(needed)} bundles, the largest "
                f"{_sum([max(needed, key=lambda b: sum(b.values()))])}), and the cluster has "
                f"{_sum(nodes)} on {len(nodes)} node{'s' if len(nodes) > 1 else ''}; lower "
                "workers.count, workers.cpus or workers.gpus, or add machines"
            )
        for name, amount in bundle.items():
            room[name] -= amount


def _fits(bundle: Bundle, node: dict[str, Any]) -> bool:
    return all(node.get(name, 0) >= amount for name, amount in bundle.items())


def _sum(of: Sequence[dict[str, Any]]) -> str:
    totals = {name: sum(each.get(name, 0) for each in of) for name in ("CPU", "GPU")}
    there = [f"{amount:g} {name}" for name, amount in totals.items() if amount or name == "CPU"]
    return " and ".join(there)
