"""What a trial needs of a cluster: a CPU for its driver, and what each of its actors takes."""

from collections.abc import Sequence
from typing import Any

from orchestrator.config.actor_count import CountRange
from orchestrator.config.schema import MetaConfig

Bundle = dict[str, float]

_WHOLE = 10_000


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
      ValueError: names what a trial needs and what there is.
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
    """How many, in words."""
    return f"{len(things)} {what}{'' if len(things) == 1 else 's'}"


def _units(amount: float) -> int:
    """Ten-thousandths: Ray counts in whole ones of them."""
    return round(amount * _WHOLE)


def _of_one_gpu(share: int) -> int:
    """What a share takes with what is lost beside it: no share lies on two GPUs."""
    return share if share >= _WHOLE else _WHOLE // (_WHOLE // share)


def _sum(of: Sequence[dict[str, Any]]) -> str:
    totals = {name: sum(each.get(name, 0) for each in of) for name in ("CPU", "GPU")}
    there = [f"{amount:g} {name}" for name, amount in totals.items() if amount or name == "CPU"]
    return " and ".join(there)
