"""Findings made of a configuration's measurements."""

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.forecast import Plan, Row
from orchestrator.doctor.measure import Local
from orchestrator.run.launch import worthwhile_actors
from workers.settings.worker import MOST_STORED_STEPS
from workers.tasks.family import TaskFamily

# In shorter blocks, Ray's overhead is not small.
_SHORT_BLOCK_S = 0.02


def data_finding(config: MetaConfig, family: TaskFamily) -> Finding:
    """Describe the data that tasks are drawn from, as the family does."""
    described = family.describe()
    counts = [
        f"{value:,} {name.replace('_', ' ')}"
        for name, value in described.items()
        if isinstance(value, int)
    ]
    return Finding("data", f"{config.task.kind}: {', '.join(counts) or described['source']}")


def model_finding(config: MetaConfig, local: Local) -> Finding:
    """Describe the model's size."""
    megabytes = local.theta_bytes / 1e6
    text = f"{config.model.kind}: {local.num_parameters:,} parameters, {megabytes:.2g} MB"
    return Finding("model", text)


def blocks_finding(config: MetaConfig, local: Local) -> Finding:
    """Describe how long blocks take, and whether that suits actors."""
    plural = "s" if local.num_blocks > 1 else ""
    size = min(config.block_size, config.outer.meta_batch_size)
    text = (
        f"{size} tasks in {duration(local.block_s)} (the first, compiling, "
        f"{duration(local.first_s)}); {local.num_blocks} block{plural} a step"
    )
    if local.num_blocks == 1:
        return Finding("block", f"{text}, so a second actor has nothing to do", "note")
    if local.block_s < _SHORT_BLOCK_S:
        return Finding("block", f"{text}; such short blocks gain little from actors", "note")
    return Finding("block", text)


def inner_loop_finding(config: MetaConfig) -> Finding | None:
    """Say how training goes back through the inner loop, and why; None if it has none."""
    steps, chosen = config.algorithm.training_steps, config.runtime.inner_memory
    if not steps:
        return None
    plural = "s" if steps > 1 else ""
    if not config.algorithm.goes_back:
        kind = config.algorithm.kind
        return Finding("inner loop", f"memory of one inner step (algorithm.kind = {kind!r})")
    if config.inner_memory == "recompute":
        how = "recompute: memory of one inner step, whatever their number"
    else:
        how = f"store: memory of {steps} inner step{plural}"
    why = f"runtime.inner_memory = '{chosen}'"
    if chosen == "auto":
        limit = MOST_STORED_STEPS
        where = f"above {limit}" if steps > limit else f"up to {limit}"
        why += f", which is '{config.inner_memory}' {where} inner steps"
        if config.task.acts and steps > limit:
            why = f"runtime.inner_memory = '{chosen}', which is 'store' for policies"
    if config.runtime.micro_batch is not None:
        how += f", and of {config.runtime.micro_batch} examples at a time"
    return Finding("inner loop", f"{how} ({why})")


def actors_finding(plan: Plan, local: Local, on_a_cluster: bool) -> Finding:
    """Describe the number of actors that `metatrain train` would choose by itself."""
    if on_a_cluster:
        count = max(1, min(plan.slots, local.num_blocks))
        return Finding("actors", f"metatrain train uses {count}: as many as have room and work")
    count, why = worthwhile_actors(local.step_s, local.num_blocks, plan.slots, plan.num_steps)
    return Finding("actors", f"by default a run uses --workers {count} here: {why}")


def _less_memory(config: MetaConfig) -> str:
    """Advise how a run takes less memory."""
    smaller = "a smaller workers.block_size, model or outer.meta_batch_size takes less"
    stored = config.algorithm.training_steps > 1 and config.inner_memory == "store"
    if stored and not config.task.acts:
        return f"runtime.inner_memory = 'recompute' or {smaller}"
    return smaller


def memory_finding(
    config: MetaConfig, rows: list[Row], slots: int, available_bytes: int | None
) -> Finding:
    """Compare the memory of a run, in one process and with all its actors, with this machine's."""
    alone = rows[0].driver_bytes
    text = f"{gigabytes(alone)} in one process"
    if available_bytes is None:
        return Finding("memory", text)
    text += f"; {gigabytes(available_bytes)} free"
    if alone > available_bytes:
        return Finding(
            "memory",
            text,
            "broken",
            _less_memory(config),
        )
    fit = [row.num_actors for row in rows if row.total_bytes < available_bytes]
    wanted = [row.num_actors for row in rows if row.num_actors <= slots]
    if max(fit) < max(wanted):
        advice = f"give --workers {max(fit)} or fewer, or reserve more workers.cpus for each"
        return Finding("memory", text, "warning", advice)
    return Finding("memory", text)


def duration(seconds: float) -> str:
    """Format a duration: 1.3 ms, 52 ms, 3.1 s, 4.5 min, 3.2 h."""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= (2 if unit != "s" else 1) * size:
            return f"{_plain(seconds / size)} {unit}"
    return f"{_plain(seconds * 1e3)} ms"


def gigabytes(size: float) -> str:
    """Format a size in bytes: 0.61 GB."""
    return f"{size / 1e9:.2f} GB" if size < 1e10 else f"{size / 1e9:.0f} GB"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
