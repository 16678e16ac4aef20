"""Checks before a run starts: the machine has enough resources, and the data serve all splits."""

import os

from orchestrator.config.actor_count import CountRange
from orchestrator.config.schema import MetaConfig
from orchestrator.evaluate import recipes
from orchestrator.outer.blocks import held_out_blocks, held_out_sizes
from orchestrator.pool.ray_running import ray_is_running
from orchestrator.reporting.notes import progress_bar, show_note
from orchestrator.run.scores_by_size import check_cells
from workers.execution import isa, runtime
from workers.tasks.family import TaskFamily, stated_sizes
from workers.tasks.registry import make_family

# More than one per core is only for tests; each takes some 800 MB.
_MOST_ACTORS_PER_CORE = 4


def check_machine(config: MetaConfig) -> None:
    """Refuse a configuration that needs more than this machine has; a cluster is checked later.

    Raises:
      ValueError: names what is needed and what the machine has.
      RestartNeededError: this process was started for other instructions than runtime.isa.
    """
    runtime.refuse_other_backend()
    isa.require(config.runtime.isa)
    workers = config.workers
    count = workers.count.min if isinstance(workers.count, CountRange) else workers.count
    if os.environ.get("RAY_ADDRESS") or ray_is_running():
        return
    most = _MOST_ACTORS_PER_CORE * len(os.sched_getaffinity(0))
    if count != "auto" and count > most:
        raise ValueError(
            f"workers.count = {workers.count}, but this machine has room for {most} actors at most "
            f"({_MOST_ACTORS_PER_CORE} per core); lower it, or set RAY_ADDRESS to a cluster"
        )
    if not workers.gpus:
        return
    runners = 1 if count == "auto" else max(1, count)
    needed, available = workers.gpus * runners, runtime.count_gpus()
    if needed > available:
        raise ValueError(
            f"workers.gpus = {workers.gpus:g} for {runners} runner{'s' if runners > 1 else ''} "
            f"needs {needed:g} GPU{'' if needed == 1 else 's'}, this machine has {available:g}; "
            "set workers.gpus=0, or RAY_ADDRESS to a cluster that has them"
        )


def make_run_family(config: MetaConfig) -> TaskFamily:
    """Make the task family with what its model gets of examples; show the progress of long work.

    Raises: see `make_family`.
    """
    model = config.model
    if model.backbone is not None:  # before it is loaded, as threads and GPUs cannot change later
        runtime.start_tensorflow(config.workers.gpus if config.workers.count == 0 else 0)
    with (
        progress_bar("decoding images", "images") as decoding,
        progress_bar("computing features", "examples") as embedding,
    ):
        return make_family(config.task, model, decoding, embedding)


def open_family(config: MetaConfig) -> TaskFamily:
    """Open the task family, and check that it has enough data for all splits.

    Raises:
      DataError: the source cannot be read, or holds too little.
      ValueError: the user's own function does not draw as many examples as evaluation asks for.
    """
    if source := config.task.default_source():
        show_note(
            f"task.path is unset: the data are those in {source}; for your own, set task.path"
        )
    family = make_run_family(config)
    for split in ("validation", "test"):
        recipe = recipes(config)[0]
        held_out_blocks(config, family, split, 0, recipe)
    check_cells(config, family)
    stated_sizes(family, *held_out_sizes(config))
    return family
