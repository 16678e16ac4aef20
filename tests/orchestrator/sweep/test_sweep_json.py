import json

import pytest
import warm_commands
from shell_commands import environment
from small_configs import sinusoid
from whole_sweeps import rows_of, write_sweep

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_as_json_a_sweep_prints_its_trials_and_the_evaluation_of_the_best(tmp_path):
    grid = {"outer.lr": {"grid": [0.005, 1e9]}}
    search = {"searcher": "grid", "parallel": 1}
    base = sinusoid("outer.steps=20", "evaluation.every=10")
    file = write_sweep(tmp_path, base, {"space": grid, "search": search})
    words = ["tune", str(file), "--out", str(tmp_path / "out"), "--json"]
    done = warm_commands.run(tmp_path, *words, environment=environment(), draws=False)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    rows = rows_of(tmp_path / "out")
    told = {row["trial"]: (row["status"], row["step"], row["run"]) for row in document["trials"]}
    assert told == {row["trial"]: (row["status"], row["step"], row["run"]) for row in rows}
    assert (document["metric"], document["mode"]) == ("loss", "min")
    best = next(row for row in document["trials"] if row["trial"] == document["best"])
    assert best["point"] == {"outer.lr": 0.005}
    tested = json.loads((tmp_path / "out" / best["run"] / "evaluation.json").read_text())
    assert document["evaluations"] == {document["best"]: tested}
    assert "trials:" in done.stderr
