"""Whole runs of a few steps, as `metatrain train` does them."""

from small_runs import in_process

from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage

# Each kind of block is traced for one shape, and as it is written.
ONE_BY_ONE = ["workers.block_size=1", "runtime.execution=map"]


def start(config, folder, resume=False, stop=None):
    storage = Storage(str(folder))
    state, _, notes = find_state(config, storage, resume, allow_changes=False)
    assert notes == []
    return TrainingRun(config, storage, in_process(config), state, stop=stop)


def finish(run):
    """All steps and the test, as `metatrain train` does."""
    progress = list(run.steps())
    result = run.test()
    run.close()
    return progress, result


def steps_logged(folder):
    return [row["step"] for row in read_metrics(Storage(str(folder)))]
