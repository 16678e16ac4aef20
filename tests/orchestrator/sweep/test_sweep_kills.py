"""A sweep whose driver is killed, and that is resumed."""

import json
import signal
import time
from pathlib import Path

import pytest
import warm_commands
from shell_commands import environment
from shown_protocol import protocol_in
from small_configs import sinusoid
from whole_sweeps import base_of, rows_of, theta_of, undisturbed_theta, write_sweep

from orchestrator.config import schema as configuration

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STEPS = 200
RUN = [f"outer.steps={STEPS}", "evaluation.every=40", "checkpoint.every=20"]
# They change the outer update only, so that a process compiles once. The killed trial is the best.
RATES = [0.005, 1e9, 0.02, 0.01]


def start(file: Path, out: Path, *more: str) -> warm_commands.Running:
    words = ["tune", str(file), "--out", str(out), *more]
    return warm_commands.start(file.parent, *words, environment=environment())


def finished(out: Path) -> list[Path]:
    if not (out / "sweep.parquet").exists():
        return []
    return [out / row["run"] for row in rows_of(out) if row["status"] == "finished"]


def begun(out: Path) -> list[Path]:
    return [file.parents[2] for file in out.glob("trials/*/checkpoints/ckpt-*0[4-9]0/*.json")]


def stamps(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The sweep's folder after it was killed in its third trial, and resumed; what was there."""
    folder = tmp_path_factory.mktemp("sweep")
    out = folder / "out"
    grid = {"outer.lr": {"grid": RATES}}
    search = {"searcher": "grid", "parallel": 1}
    file = write_sweep(folder, sinusoid(*RUN), {"space": grid, "search": search})
    process = start(file, out)
    until = time.monotonic() + 240
    try:
        while not (finished(out) and set(begun(out)) - set(finished(out))):
            assert process.poll() is None, process.stderr
            assert time.monotonic() < until
            time.sleep(0.1)
    finally:
        process.kill()
    assert process.poll() == -signal.SIGKILL
    done = finished(out)
    before = [stamps(run) for run in done]
    resumed = start(file, out, "--resume").done(400)
    assert resumed.returncode == 0, resumed.stderr
    return out, done, before, resumed


def test_a_trial_that_was_finished_is_left_alone(killed):
    out, [done], [before], _ = killed
    [best] = [
        out / row["run"] for row in rows_of(out) if (out / row["run"] / "evaluation.json").exists()
    ]
    assert best != done  # whose folder gets the scores on the test tasks
    assert stamps(done) == before


def test_the_others_end_with_the_weights_that_they_would_have_had(killed):
    out, *_ = killed
    for row in rows_of(out):
        if row["status"] == "failed":
            continue
        rate = row["outer.lr"]
        expected = undisturbed_theta(*RUN, f"outer.lr={rate}")
        assert theta_of(out / row["run"]) == expected
        steps = (out / row["run"] / "metrics.jsonl").read_text().splitlines()
        assert len(steps) == STEPS


def test_a_trial_that_fails_is_told_with_its_cause_and_the_sweep_goes_on(killed):
    out, _, _, resumed = killed
    failed = {row["outer.lr"]: row["failed"] for row in rows_of(out) if row["failed"]}
    assert list(failed) == [1e9]
    assert "not finite" in failed[1e9]
    assert "not finite" in resumed.stderr
    statuses = [row["status"] for row in rows_of(out)]
    assert sorted(statuses) == ["failed", "finished", "finished", "finished"]


def test_validation_decides_and_the_test_tasks_are_seen_once(killed):
    out, _, _, resumed = killed
    scored = [row for row in rows_of(out) if row["status"] == "finished"]
    best = min(scored, key=lambda row: row["best_loss"])
    tested = [path.parent for path in out.glob("trials/*/evaluation.json")]
    assert tested == [out / best["run"]]
    assert f"validation loss {best['best_loss']:.4f}" in resumed.stdout
    chosen = "best of 4 trials by validation loss (grid, none)"
    assert protocol_in(resumed.stdout)["hyperparameters"] == chosen


def test_the_best_is_a_file_to_train_from(killed):
    out, *_ = killed
    best = min(
        (row for row in rows_of(out) if row["status"] == "finished"),
        key=lambda row: row["best_loss"],
    )
    config, _ = configuration.load(str(out / "best.toml"))
    assert config.outer.lr == best["outer.lr"]
    assert base_of(out)["outer"]["steps"] == STEPS
    assert (out / best["checkpoint"] / "manifest.json").is_file()


def test_there_is_a_page_without_links_to_elsewhere(killed):
    out, *_ = killed
    page = (out / "report.html").read_text()
    for title in ("Hyperparameters and validation loss", "A curve for each trial", "Importance"):
        assert title in page
    assert page.count("<svg") >= 2
    assert 'src="http' not in page


def test_what_trials_have_in_common_is_not_saved_with_each(killed):
    """Tune saves the state of each trial as text, again and again; the base alone is 2 kB."""
    out, *_ = killed
    saved = sorted((out / "tune").glob("experiment_state-*.json"))[-1]  # by their time
    states = json.loads(saved.read_text())["trial_data"]
    assert len(states) >= len(RATES) - 1  # the last is saved where Tune has the time
    for state, metadata in states:
        assert len(state) + len(metadata) < 9000
        of_the_base = b"inner_momentum".hex()  # pickled values are there in hexadecimal digits
        assert of_the_base not in state + metadata
