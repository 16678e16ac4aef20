import io
import json
import math

import pytest
from rich.text import Text

from orchestrator.storage.storage import Storage
from orchestrator.sweep import rows as sweep_rows
from orchestrator.sweep import trial_table as sweep_board
from orchestrator.sweep.rows import Row
from orchestrator.sweep.trial_table import TrialTable
from orchestrator.text.console import Console

KEY = "outer.lr"


class Screen:
    """A trial table that writes into a string."""

    def __init__(self, folder, mode="min", num_trials=3, terminal=False):
        self.stream = io.StringIO()
        console = Console(
            file=self.stream, soft_wrap=True, force_terminal=terminal, width=100, height=60
        )
        self.console, self.storage = console, Storage(str(folder))
        self.trial_table = TrialTable(
            self.storage, [KEY], ["loss"], "loss", mode, num_trials, console
        )

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()

    @property
    def written(self):
        return sweep_rows.read(self.storage, "loss")

    def report(self, trial, step, loss, **more):
        self.trial_table.report(trial, report(trial, step, loss) | more)

    def table(self):
        """Cells of each column, by title."""
        table = self.trial_table.render()
        return {str(column.header): list(column.cells) for column in table.columns}


def report(trial, step, loss):
    run = f"/runs/{trial}"
    common = {"seconds": 1.0, "run": run, "replaced_actors": 0}
    return {"step": step, "loss": loss, "finished": step == 12, **common}


@pytest.fixture(autouse=True)
def _cheap_writes(monkeypatch):
    monkeypatch.setattr(sweep_board, "_CHEAP_S", math.inf)  # however busy the machine is


@pytest.fixture
def screen(tmp_path):
    return Screen(tmp_path)


def test_each_event_is_a_line(screen):
    with screen.trial_table as trial_table:
        trial_table.start("x", {KEY: 0.123456})
        screen.report("x", 4, 2.0)
        screen.report("x", 8, 3.0)
        trial_table.start("y", {KEY: 1})
        screen.report("y", 4, 2.5)
        screen.report("y", 12, 1.5)
        trial_table.end("y")
        trial_table.end("x")
        trial_table.start("z", {KEY: 0.5})
        trial_table.report("z", {"failed": "θ is [not] finite", "loss": math.nan})
        trial_table.end("z")
    assert screen.lines == [
        "trial 1 starts (step 0, outer.lr=0.123)",
        "trial 1: best so far, loss 2.0000 (step 4, outer.lr=0.123)",
        "trial 2 starts (step 0, outer.lr=1)",
        "trial 2: best so far, loss 1.5000 (step 12, outer.lr=1)",
        "trial 2 finished, loss 1.5000 (step 12, outer.lr=1)",
        "trial 1 stopped, loss 2.0000 (step 8, outer.lr=0.123)",
        "trial 3 starts (step 0, outer.lr=0.5)",
        "trial 3 failed: θ is [not] finite (step 0, outer.lr=0.5)",
    ]


def test_sweep_parquet_is_current_whenever_a_trial_begins_or_ends(screen):
    screen.trial_table.start("x", {KEY: 0.1})
    assert [(row.trial, row.status) for row in screen.written] == [("x", "running")]
    screen.report("x", 12, 2.0)
    screen.trial_table.end("x")
    screen.trial_table.start("y", {KEY: 0.2})
    assert [(row.trial, row.status, row.best_step) for row in screen.written] == [
        ("x", "finished", 12),
        ("y", "running", 0),
    ]
    screen.trial_table.end("y", failed="its process ended")
    first, second = screen.written
    assert (first.run, second.status, second.failed) == ("/runs/x", "failed", "its process ended")
    assert second.point == {KEY: 0.2}


def test_a_table_that_takes_long_to_write_waits_until_tune_saves_or_the_sweep_ends(
    screen, monkeypatch
):
    screen.trial_table.start("x", {KEY: 0.1})
    monkeypatch.setattr(sweep_board, "_CHEAP_S", 0.0)
    monkeypatch.setattr(sweep_board, "_SHARE", math.inf)
    screen.report("x", 12, 2.0)
    screen.trial_table.end("x")
    screen.trial_table.start("y", {KEY: 0.2})
    assert [(row.trial, row.status) for row in screen.written] == [("x", "running")]
    screen.trial_table.write()
    assert [row.status for row in screen.written] == ["finished", "running"]
    screen.trial_table.end("y", failed="broken")
    screen.trial_table.close()
    assert [row.status for row in screen.written] == ["finished", "failed"]


def test_nothing_is_written_where_nothing_is_new(screen, monkeypatch):
    screen.trial_table.start("x", {KEY: 0.1})
    monkeypatch.setattr(sweep_rows, "write", pytest.fail)
    screen.trial_table.write()


def test_what_still_runs_when_the_sweep_is_over_was_stopped(screen):
    for trial in "xyz":
        screen.trial_table.start(trial, {KEY: 0.1})
    screen.report("x", 12, 2.0)
    screen.trial_table.end("x")
    screen.trial_table.end("z", failed="broken")
    screen.trial_table.close()
    assert [row.status for row in screen.written] == ["finished", "stopped", "failed"]


def test_a_board_of_a_sweep_that_goes_on_has_the_rows_from_before(screen, tmp_path):
    screen.trial_table.start("x", {KEY: 0.1})
    screen.report("x", 12, 2.0)
    screen.trial_table.end("x")
    screen.trial_table.start("y", {KEY: 0.2})
    screen.report("y", 4, 3.0)
    screen.trial_table.close()
    again = Screen(tmp_path)
    assert again.trial_table.rows == screen.trial_table.rows
    again.trial_table.start("y", {KEY: 0.2})
    again.report("y", 8, 2.5)
    again.trial_table.start("z", {KEY: 0.3})
    assert [row.trial for row in again.trial_table.rows] == ["x", "y", "z"]
    assert [row.status for row in again.trial_table.rows] == ["finished", "running", "running"]
    assert again.trial_table.rows[1].score == 2.5
    assert again.lines == [
        "trial 2 continues (step 4, outer.lr=0.2)",
        "trial 3 starts (step 0, outer.lr=0.3)",
    ]


def test_a_trial_that_is_perturbed_has_its_new_point(screen):
    screen.trial_table.start("x", {KEY: 0.1})
    screen.report("x", 4, 2.0)
    screen.trial_table.start("x", {KEY: 0.12})
    assert screen.trial_table.rows[0].point == {KEY: 0.12}
    assert screen.trial_table.rows[0].step == 4


@pytest.mark.parametrize(
    ("mode", "trials", "scores"),
    [
        ("min", ["3", "2", "1", "4"], ["", "1.0000 *", "2.0000", ""]),
        ("max", ["3", "1", "2", "4"], ["", "2.0000 *", "1.0000", ""]),
    ],
)
def test_the_table_has_what_runs_then_the_best_which_is_marked(tmp_path, mode, trials, scores):
    screen = Screen(tmp_path, mode, num_trials=9)
    for trial, loss in (("w", 2.0), ("x", 1.0)):
        screen.trial_table.start(trial, {KEY: loss / 8})
        screen.report(trial, 12, loss)
        screen.trial_table.end(trial)
    screen.trial_table.start("y", {KEY: 1})
    screen.trial_table.start("z", {})
    screen.trial_table.end("z", failed="broken")
    table = screen.table()
    assert table["trial"] == trials
    assert table["best\nloss"] == scores
    assert table["status"] == ["running", "finished", "finished", "failed"]
    assert sorted(table["lr"]) == ["", "0.125", "0.25", "1"]
    best = scores[1].removesuffix(" *")
    assert str(screen.trial_table.render().title).startswith("3 of 9 trials, ")
    assert str(screen.trial_table.render().title).endswith(f"best loss {best}")


def test_the_table_shows_as_many_as_fit_and_says_how_many_more_there_are(screen):
    for i in range(23):
        screen.trial_table.start(f"trial{i}", {KEY: 1})
        screen.report(f"trial{i}", 12, 100.0 - i)
        screen.trial_table.end(f"trial{i}")
    assert screen.table()["trial"] == [str(i) for i in range(23, 3, -1)]
    assert screen.trial_table.render().caption == "3 more"


def test_a_terminal_shows_the_table_and_no_events(tmp_path):
    screen = Screen(tmp_path, terminal=True)
    with screen.trial_table as trial_table:
        trial_table.start("x", {KEY: 0.1})
        screen.report("x", 12, 2.0)
        trial_table.end("x")
    shown = Text.from_ansi(screen.stream.getvalue()).plain
    assert "2.0000 *" in shown
    assert "1 of 3 trials" in shown
    assert "starts" not in shown
    assert "best so far" not in shown
    assert [row.status for row in screen.written] == ["finished"]


def test_nothing_is_known_of_a_trial_before_it_begins(screen):
    assert screen.trial_table.rows == []
    screen.trial_table.start("x", {KEY: 0.1})
    assert screen.trial_table.rows == [
        Row("x", {KEY: 0.1}, "running", score=screen.trial_table.rows[0].score)
    ]


def logged(folder, run, losses):
    """The run's log, as its process leaves it: a validation at every fourth step."""
    (folder / run).mkdir(parents=True)
    rows = [
        {"step": step} | ({"validation_loss": losses[step]} if step in losses else {})
        for step in range(1, max(losses) + 1)
    ]
    (folder / run / "metrics.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_validations_that_were_lost_with_the_process_count_once_the_trial_goes_on(screen, tmp_path):
    logged(tmp_path, "trials/x", {4: 2.0, 8: 0.5, 12: 3.0, 16: 0.1})
    with screen.trial_table as trial_table:
        trial_table.start("x", {KEY: 1})
        screen.report("x", 4, 2.0, run="trials/x")
        trial_table.write()  # what follows is lost with the process
    resumed = Screen(tmp_path)
    with resumed.trial_table as trial_table:
        trial_table.start("x", {KEY: 1})
        resumed.report("x", 12, 3.0, run="trials/x", finished=False)
        [row] = trial_table.rows
        assert (row.score, row.best_step, row.step) == (0.5, 8, 12)
        assert row.latest == {"loss": 3.0}
        assert row.checkpoint == "trials/x/checkpoints/ckpt-00000008"


def test_a_perturbed_trial_keeps_no_score_of_its_last_run(screen, tmp_path):
    logged(tmp_path, "trials/x-2", {8: 1.5, 12: 3.0})
    with screen.trial_table as trial_table:
        trial_table.start("x", {KEY: 1})
        screen.report("x", 8, 0.1, run="trials/x")
        trial_table.start("x", {KEY: 2})
        screen.report("x", 12, 3.0, run="trials/x-2", finished=False)
        [row] = trial_table.rows
    assert (row.score, row.best_step) == (1.5, 8)
