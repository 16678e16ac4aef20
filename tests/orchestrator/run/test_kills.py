"""The whole process is killed at any moment: nothing that was reported as saved is lost."""

import json
import re
from pathlib import Path

import pytest
import warm_commands
from shell_commands import environment, write_config
from small_configs import sinusoid

from orchestrator.records.metrics_log import read_metrics
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

SCRIPT = Path(__file__).with_name("killed_runs.py")
KILLS, STEPS = 20, 1300


def killed_runs(folder, out, kills):
    config = sinusoid(
        f"outer.steps={STEPS}",
        "checkpoint.every=5",
        "checkpoint.keep=2",
        "evaluation.every=400",
        "evaluation.tasks=4",
        # Each run traces its graphs anew: one block, of one size.
        "model.hidden=[4]",
        "outer.meta_batch_size=2",
        "evaluation.validation_tasks=2",
        "evaluation.inner_steps=[1]",
    )
    words = [write_config(folder, config), out, kills, 0]
    done = warm_commands.run(
        folder, *words, environment=environment(), script=SCRIPT, timeout_s=570, draws=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), (folder / f"{out}.log").read_text()


@pytest.mark.slow
def test_a_driver_that_is_killed_20_times_ends_with_the_undisturbed_weights_and_rows(tmp_path):
    _, undisturbed = killed_runs(tmp_path, "undisturbed", 0)
    seen, log = killed_runs(tmp_path, "killed", KILLS)
    assert seen["kills"] == KILLS, seen
    assert seen["codes"] == [0], log
    # The moments were of all kinds: while it starts, while it trains, within a checkpoint.
    assert 0 < seen["in_start"] < KILLS
    assert seen["unfinished"] > 0
    assert len(set(seen["steps"])) > KILLS / 2
    assert "Traceback" not in log
    pattern = r"theta after step \d+: sha256 [0-9a-f]{64}"
    assert re.findall(pattern, log) == re.findall(pattern, undisturbed)
    assert len(re.findall(pattern, log)) == 1

    storages = [Storage(str(tmp_path / name)) for name in ("killed", "undisturbed")]
    rows, expected = ([strip(row) for row in read_metrics(storage)] for storage in storages)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows == expected
    killed, whole = ((tmp_path / name / "evaluation.json") for name in ("killed", "undisturbed"))
    assert json.loads(killed.read_text()) == json.loads(whole.read_text())
    left = checkpoint.survey(storages[0])
    assert left[-1].name == checkpoint.name_of(STEPS)
    assert {each.problem for each in left} == {""}
    assert checkpoint.best(storages[0])[:2] == checkpoint.best(storages[1])[:2]
    assert len(left) == 2 + (checkpoint.best(storages[0])[0] not in [e.name for e in left[-2:]])
    assert checkpoint.unfinished(storages[0]) == []


def strip(row):
    """A row without what was measured with a clock."""
    return {name: value for name, value in row.items() if name not in ("seconds", "tasks_per_s")}
