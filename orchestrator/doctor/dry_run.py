"""The dry run: what a run would do, from its configuration to its sizes, without a step of it."""

from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.config.schema import MetaConfig, to_toml
from orchestrator.reporting.description import description_table, plain_values
from orchestrator.reporting.notes import RESULTS, show_note, waiting
from orchestrator.run.opening import check_machine, open_family
from orchestrator.run.session import Start, resume_or_begin
from orchestrator.storage.storage import Storage
from orchestrator.text.plain_text import readable_size
from workers.tasks.family import TaskFamily, notes_of


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a run.

    parameters: elements of theta, with the algorithm's own meta-parameters.
    theta_bytes: bytes of theta.
    carry_bytes: bytes of what tasks leave besides, such as running statistics.
    checkpoint_bytes: bytes of the tensors in a checkpoint: theta, carry, outer optimizer.
    tasks_per_step: training tasks of an outer step.
    tasks_per_block, blocks_per_step: how a step's tasks are cut.
    steps: outer steps that are left to do.
    validation_tasks, test_tasks: held-out tasks.
    """

    parameters: int
    theta_bytes: int
    carry_bytes: int
    checkpoint_bytes: int
    tasks_per_step: int
    tasks_per_block: int
    blocks_per_step: int
    steps: int
    validation_tasks: int
    test_tasks: int


def dry_run(
    config: MetaConfig,
    notes: list[str],
    location: str,
    resume: bool = False,
    allow_changes: bool = False,
    verbose: bool = False,
) -> dict[str, Any]:
    """Do all that a run does before its first step, without Ray, and show what it would do.

    Nothing is written, except the cache of decoded images.

    Args:
      notes: lines about the configuration for the user.
      location: the run's folder.
      resume, allow_changes, verbose: as for a run.
    Returns:
      a document for JSON: run, configuration, data, sizes.
    Raises:
      ValueError, MetatrainError: the run would be refused, for the same reason.
    """
    for note in notes:
        show_note(note)
    check_machine(config)
    start = resume_or_begin(config, Storage(location), resume, allow_changes, show_note)
    family = open_family(config)
    for note in notes_of(family):
        show_note(note)
    with waiting() as say:
        sizes = _sizes(config, family, start, say, verbose)
    description = family.describe()
    step = start.state.step if start.state else None
    _show(config, description, sizes, location, step)
    return {
        "run": {"folder": location, "resumes_after_step": step, "workers": _workers(config)},
        "configuration": config.model_dump(mode="json", exclude_none=True),
        "data": {"kind": config.task.kind, **plain_values(description)},
        "sizes": asdict(sizes),
    }


def _sizes(config: MetaConfig, family: TaskFamily, start: Start, say: Any, verbose: bool) -> Sizes:
    """Build the model in this process, check it as a run does, and measure it."""
    from orchestrator.outer.state import check_shapes
    from orchestrator.run.launch import launch

    workers = config.workers.model_copy(update={"count": 0, "gpus": 0})
    here = config.model_copy(update={"workers": workers})
    # Whether the actors' GPUs are those of the resumed run is not known here.
    reference = {} if config.workers.gpus else start.fingerprint
    launched = launch(here, family, reference, say=say, notify=show_note, verbose=verbose)
    try:
        from orchestrator.outer.update import OuterUpdate

        for note in launched.facts.notes if launched.facts else []:
            show_note(f"model: {note}")
        initial = launched.initial_state()
        state = start.state or initial
        check_shapes(initial, state)
        optimizer = OuterUpdate(config.outer, state).state().optimizer
    finally:
        launched.close()
    theta, carry, more = (
        sum(array.nbytes for array in arrays)
        for arrays in (state.theta, state.carry.values(), optimizer.values())
    )
    outer = config.outer
    return Sizes(
        parameters=sum(array.size for array in state.theta),
        theta_bytes=theta,
        carry_bytes=carry,
        checkpoint_bytes=theta + carry + more,
        tasks_per_step=outer.meta_batch_size,
        tasks_per_block=min(config.block_size, outer.meta_batch_size),
        blocks_per_step=-(-outer.meta_batch_size // config.block_size),
        steps=outer.steps - state.step,
        validation_tasks=config.evaluation.validation_tasks,
        test_tasks=config.evaluation.tasks,
    )


def _workers(config: MetaConfig) -> str:
    count = config.workers.count
    if count == "auto":
        return "auto"
    return str(count)


def _show(
    config: MetaConfig, description: dict[str, Any], sizes: Sizes, location: str, step: int | None
) -> None:
    RESULTS.print("Configuration", style="bold")
    RESULTS.print(*to_toml(config).splitlines(), sep="\n")
    RESULTS.print("Data", style="bold")
    RESULTS.print(description_table(config.task.kind, description))
    RESULTS.print("Sizes", style="bold")
    for line in _lines(config, sizes):
        RESULTS.print(line)
    begins = "would start" if step is None else f"would resume after step {step}"
    RESULTS.print(f"run: {begins} in {location}")
    RESULTS.print("nothing was started (--dry-run); metatrain doctor measures time and memory")


def _lines(config: MetaConfig, sizes: Sizes) -> list[str]:
    carry = f", carry {readable_size(sizes.carry_bytes)}" if sizes.carry_bytes else ""
    actors = {"auto": "Ray actors if that is faster, else this process", "0": "this process"}
    count, number = _workers(config), sizes.blocks_per_step
    return [
        f"model: {config.model.kind}, {sizes.parameters:,} parameters",
        f"theta: {readable_size(sizes.theta_bytes)}{carry}; a checkpoint "
        f"{readable_size(sizes.checkpoint_bytes)}",
        f"a step: {sizes.tasks_per_step:,} tasks in {number:,} block{'s' if number > 1 else ''} of "
        f"{sizes.tasks_per_block:,}",
        f"to do: {sizes.steps:,} steps; {sizes.validation_tasks:,} validation tasks, "
        f"{sizes.test_tasks:,} test tasks",
        f"workers: {actors.get(count, f'{count} Ray actors')}",
    ]
