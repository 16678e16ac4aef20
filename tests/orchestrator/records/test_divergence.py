import io
import json
import math

import pytest
import synthetic_run
from rich.console import Console
from small_configs import sinusoid

from orchestrator.records.divergence import describe_divergence, diverged_steps
from orchestrator.records.result import EVALUATION_FILE, read_result
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.reporting.terminal import print_result


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    config = sinusoid("outer.steps=4", "evaluation.every=2")
    return synthetic_run.write_run(tmp_path_factory.mktemp("runs") / "a", config)


def test_what_diverges_is_told_everywhere(run):
    """A rate that is right for one inner step and too high for more: huge, then not finite."""
    losses = [3.0, 2.0, 40.0, 4e14, math.inf, math.nan]
    per_step = [
        {"inner_step": step, "loss": loss, "loss_ci95": abs(loss), "loss_gain_ci95": abs(loss)}
        for step, loss in enumerate(losses)
    ]
    result = read_result(run).model_copy(update={"per_step": per_step})
    result.protocol["inner_steps"] = 1
    run.write(EVALUATION_FILE, result.to_json().encode())
    table = json.loads(run.read(EVALUATION_FILE))
    assert table["diverged"] == [2, 3, 4, 5]
    assert table["per_step"][4]["loss"] is None
    assert table["per_step"][4]["not_finite"]["loss"] == "inf"
    sentence = (
        "Inner steps 2 to 5 diverge: loss up to 4e+14 against 3 before, not finite at 4 to 5. "
        "The inner rate is too high for so many steps"
    )
    screen = Console(file=io.StringIO(), width=300)
    print_result(screen, read_result(run), (1, 3, 5))
    shown = screen.file.getvalue()
    assert f"{sentence}." in shown
    assert "3  (diverges)" in shown
    assert "not finite" in shown
    page = page_of(read_run(run)).decode()
    assert sentence in page
    assert "3 (diverges)" in page
    assert "shaded: diverges" in page


def test_nothing_is_said_to_diverge_that_does_not():
    accuracies = [{"loss": loss, "accuracy": 0.2} for loss in (1.6, 1.2, 8.2)]
    assert diverged_steps(accuracies, "accuracy") == []
    assert diverged_steps([{"loss": 0.0}, {"loss": 1e-9}]) == []
    assert diverged_steps([{"return": -5.0}, {"return": -500.0}], "return") == []
    assert describe_divergence([{"return": -5.0}, {"return": math.nan}], "return").startswith(
        "Inner step 1 diverges: return not finite at 1."
    )
