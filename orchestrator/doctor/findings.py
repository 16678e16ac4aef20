"""What was measured of a configuration, as findings."""

from orchestrator.config.schema import MetaConfig
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.forecast import Plan, Row
from orchestrator.doctor.measure import Local
from orchestrator.run.launch import worthwhile_actors
from workers.tasks.family import TaskFamily

# Below, what Ray adds to a block is no longer small beside it.
_SHORT_BLOCK_S = 0.02


def judge_data(config: MetaConfig, family: TaskFamily) -> Finding:
    """What the tasks are drawn from, as the family describes itself."""
    described = family.describe()
    counts = [
        f"{value:,} {name.replace('_', ' ')}"
        for name, value in described.items()
        if isinstance(value, int)
    ]
    return Finding("data", f"{config.task.kind}: {', '.join(counts) or described['source']}")


def judge_model(config: MetaConfig, local: Local) -> Finding:
    """Its size."""
    megabytes = local.theta_bytes / 1e6
    found = f"{config.model.kind}: {local.num_parameters:,} parameters, {megabytes:.2g} MB"
    return Finding("model", found)


def judge_blocks(config: MetaConfig, local: Local) -> Finding:
    """How long they are, and whether that suits actors."""
    plural = "s" if local.num_blocks > 1 else ""
    size = min(config.block_size, config.outer.meta_batch_size)
    found = (
        f"{size} tasks in {duration(local.block_s)} (the first, compiling, "
        f"{duration(local.first_s)}); {local.num_blocks} block{plural} a step"
    )
    if local.num_blocks == 1:
        return Finding("block", f"{found}, so a second actor has nothing to do", "note")
    if local.block_s < _SHORT_BLOCK_S:
        return Finding("block", f"{found}; blocks so short gain little from actors", "note")
    return Finding("block", found)


def judge_actors(plan: Plan, local: Local, on_a_cluster: bool) -> Finding:
    """What `metatrain train` would choose by itself."""
    if on_a_cluster:
        count = max(1, min(plan.slots, local.num_blocks))
        return Finding("actors", f"metatrain train takes {count}: what there is room and work for")
    count, why = worthwhile_actors(local.step_s, local.num_blocks, plan.slots, plan.num_steps)
    return Finding("actors", f"left to itself, a run takes --workers {count} here: {why}")


def judge_memory(rows: list[Row], slots: int, available_bytes: int | None) -> Finding:
    """Whether a run fits into this machine, in one process and with all its actors."""
    alone = rows[0].driver_bytes
    found = f"{gigabytes(alone)} in one process"
    if available_bytes is None:
        return Finding("memory", found)
    found += f"; {gigabytes(available_bytes)} free"
    if alone > available_bytes:
        return Finding(
            "memory",
            found,
            "broken",
            "a smaller workers.block_size, model or outer.meta_batch_size takes less",
        )
    fit = [row.num_actors for row in rows if row.total_bytes < available_bytes]
    wanted = [row.num_actors for row in rows if row.num_actors <= slots]
    if max(fit) < max(wanted):
        advice = f"give --workers {max(fit)} or fewer, or reserve more workers.cpus for each"
        return Finding("memory", found, "warning", advice)
    return Finding("memory", found)


def duration(seconds: float) -> str:
    """1.3 ms, 52 ms, 3.1 s, 4.5 min, 3.2 h."""
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= (2 if unit != "s" else 1) * size:
            return f"{_plain(seconds / size)} {unit}"
    return f"{_plain(seconds * 1e3)} ms"


def gigabytes(size: float) -> str:
    """0.61 GB."""
    return f"{size / 1e9:.2f} GB" if size < 1e10 else f"{size / 1e9:.0f} GB"


def _plain(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"
