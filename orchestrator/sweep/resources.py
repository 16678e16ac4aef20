"""The resources of a trial: a CPU for its driver, and those of each of its actors."""

from collections.abc import Sequence
from typing import Any

from orchestrator.config.actor_count import CountRange
from orchestrator.config.schema import MetaConfig

Bundle = dict[str, float]

_WHOLE = 10_000


def num_actors(config: MetaConfig) -> int:
    """Return the actors of a trial: the least of a range, 0 for auto, so that more trials fit."""
    count = config.workers.count
    if isinstance(count, CountRange):
        return count.min
    return 0 if count == "auto" else count


def bundles(config: MetaConfig) -> list[Bundle]:
    """Return the bundles of a trial, the driver's first.

    A driver without actors has their share of a GPU.
    """
    count, gpus = num_actors(config), config.workers.gpus
    share = {"GPU": gpus} if gpus else {}
    if count == 0:
        return [{"CPU": max(1.0, config.workers.cpus), **share}]
    return [{"CPU": 1.0}, *({"CPU": config.workers.cpus, **share} for _ in range(count))]


def check_room(needed: Sequence[Bundle], nodes: Sequence[dict[str, Any]]) -> None:
    """Refuse a trial for which even an empty cluster has no room.

    Args:
      needed: bundles of the trial.
      nodes: resources of each node that is alive.
    Raises:
      ValueError: names what a trial needs and what the cluster has.
    """
    left = [{name: _units(node.get(name, 0)) for name in ("CPU", "GPU")} for node in nodes]
    for bundle in sorted(needed, key=lambda bundle: -sum(bundle.values())):
        taken = {name: _units(amount) for name, amount in bundle.items()}
        if "GPU" in taken:
            taken["GPU"] = _of_one_gpu(taken["GPU"])
        room = next((node for node in left if all(node[n] >= taken[n] for n in taken)), None)
        if room is None:
            largest = max(needed, key=lambda bundle: sum(bundle.values()))
            raise ValueError(
                f"a trial needs {_sum(needed)} ({count_of(needed, 'bundle')}, the largest "
                f"{_sum([largest])}), and the cluster has {_sum(nodes)} on "
                f"{count_of(nodes, 'node')}; lower workers.count, workers.cpus or workers.gpus, or "
                "add machines"
            )
        for name, amount in taken.items():
            room[name] -= amount


def count_of(things: Sequence[Any], what: str) -> str:
    """Return the number of things with their name, as in "3 trials"."""
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def _units(amount: float) -> int:
    """Convert an amount to ten-thousandths, in which Ray counts."""
    return round(amount * _WHOLE)


def _of_one_gpu(share: int) -> int:
    """Return a share with its part of the remainder, because no share lies on two GPUs."""
    return share if share >= _WHOLE else _WHOLE // (_WHOLE // share)


def _sum(bundles: Sequence[dict[str, Any]]) -> str:
    totals = {name: sum(b.get(name, 0) for b in bundles) for name in ("CPU", "GPU")}
    return " and ".join(
        f"{amount:g} {name}" for name, amount in totals.items() if amount or name == "CPU"
    )
