"""Runs whose inner steps are recomputed: resumed, and told from those that store them."""

import pytest
from small_configs import ONE_BY_ONE, sinusoid
from training_runs import finish, start

from orchestrator.run.resume import differences, find_state
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

SMALL = [*ONE_BY_ONE, "algorithm.inner_steps=11", "outer.steps=4", "checkpoint.every=2"]


@pytest.fixture(scope="module")
def recomputed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = start(sinusoid(*SMALL), folder)
    finish(run)
    return folder, run.theta_sha256


def test_a_resumed_run_that_recomputes_ends_with_the_same_theta(recomputed, tmp_path):
    run = start(sinusoid(*SMALL), tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == 3:
            break
    run.save()
    run.flush()
    run.close()
    again = start(sinusoid(*SMALL), tmp_path / "run", resume=True)
    assert again.first_step == 3
    finish(again)
    assert again.theta_sha256 == recomputed[1]


@pytest.mark.parametrize(
    ("override", "differing"),
    [
        ("runtime.inner_memory=store", "runtime.inner_memory = 'recompute' there, 'store' now"),
        ("runtime.micro_batch=2", "runtime.micro_batch = None there, 2 now"),
        ("algorithm.inner_clip=1.0", "algorithm.inner_clip = None there, 1.0 now"),
    ],
)
def test_a_resume_with_another_inner_loop_is_refused(recomputed, override, differing):
    folder, _ = recomputed
    with pytest.raises(ValueError, match="--allow-changes") as refused:
        find_state(sinusoid(*SMALL, override), Storage(str(folder)), True, False)
    assert differing in str(refused.value)


def test_a_checkpoint_from_before_there_was_a_choice_stored_its_steps(recomputed):
    """It is resumed as it was begun, or not at all."""
    _, manifest, _ = checkpoint.load_latest(Storage(str(recomputed[0])))
    del manifest.bits["runtime.inner_memory"], manifest.config["runtime"]["inner_memory"]
    differing = differences(sinusoid(*SMALL), manifest)
    assert differing == ["runtime.inner_memory = 'store' there, 'recompute' now"]
    assert differences(sinusoid(*SMALL, "runtime.inner_memory=store"), manifest) == []
