"""Resumed runs: what they start from, which changes they refuse, and that they end the same."""

import shutil
from dataclasses import replace

import pytest
from small_configs import REPTILE_ADAM, sinusoid
from small_runs import in_process
from training_runs import finish, start, steps_logged

from orchestrator.config.schema import load
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.tensors import sha256


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_run_that_is_left_and_resumed_is_the_undisturbed_run(finished, config, tmp_path, stop_at):
    folder, _, expected, theta_sha256 = finished
    run = start(config, tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == stop_at:
            break
    run.save()
    run.flush()
    assert run.saved_step == stop_at
    run.close()
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == stop_at
    _, result = finish(again)
    assert again.theta_sha256 == theta_sha256
    assert result == expected
    assert steps_logged(tmp_path / "run") == steps_logged(folder)


def test_a_run_that_crashes_goes_on_from_its_last_checkpoint(finished, config, tmp_path):
    _, _, expected, theta_sha256 = finished
    run = start(config, tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == 7:
            break
    run.close()  # nothing is saved
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == 4
    _, result = finish(again)
    assert (again.theta_sha256, result) == (theta_sha256, expected)
    assert steps_logged(tmp_path / "run") == list(range(1, 13))


def test_a_run_whose_newest_checkpoint_is_damaged_says_so_and_ends_the_same(
    finished, config, tmp_path
):
    folder, _, expected, theta_sha256 = finished
    shutil.copytree(folder, tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "ckpt-00000012"
    (newest / "theta.arrow").write_bytes(b"not this")
    storage = Storage(str(tmp_path / "run"))
    state, _, notes = find_state(config, storage, True, False)
    assert state.step == 8
    assert len(notes) == 1
    assert "ckpt-00000012/theta.arrow" in notes[0]
    run = TrainingRun(config, storage, in_process(config), state)
    _, result = finish(run)
    assert (run.theta_sha256, result) == (theta_sha256, expected)


def test_an_empty_folder_starts_and_a_resume_says_that_it_does(tmp_path, config):
    storage = Storage(str(tmp_path / "nothing"))
    assert find_state(config, storage, False, False) == (None, {}, [])
    state, fingerprint, notes = find_state(config, storage, True, False)
    assert (state, fingerprint) == (None, {})
    assert notes == [f"{storage.location} holds nothing to resume: starting afresh"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_refused_without_resume(finished, config):
    folder, *_ = finished
    with pytest.raises(ValueError, match="already holds a run; give another --out, or --resume"):
        find_state(config, Storage(str(folder)), False, False)


def test_a_run_that_has_lost_its_checkpoints_is_not_resumed(finished, tmp_path, config):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(ValueError, match="without a checkpoint"):
        find_state(config, Storage(str(tmp_path)), True, False)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_afresh(
    finished, tmp_path, config
):
    """Nothing is lost, and its leftovers do no harm."""
    left = tmp_path / "run" / "checkpoints" / "ckpt-00000000"
    left.mkdir(parents=True)
    (left / "theta.arrow").write_bytes(b"half")
    (tmp_path / "run" / "config.toml").write_bytes(b"")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(b"")
    storage = Storage(str(tmp_path / "run"))
    state, _, notes = find_state(config, storage, True, False)
    assert (state, notes) == (
        None,
        [f"{storage.location} holds nothing to resume: starting afresh"],
    )
    run = TrainingRun(config, storage, in_process(config), None)
    _, result = finish(run)
    assert (run.theta_sha256, result) == (finished[3], finished[2])
    assert steps_logged(tmp_path / "run") == list(range(1, 13))
    assert load(str(tmp_path / "run" / "config.toml"))[0] == config


def test_the_newest_checkpoint_is_what_is_resumed(finished, config):
    folder, _, _, theta_sha256 = finished
    state, fingerprint, notes = find_state(config, Storage(str(folder)), True, False)
    assert (state.step, sha256(state.theta), notes) == (12, theta_sha256, [])
    assert fingerprint["threads"] == [1, 1]


@pytest.mark.parametrize(
    ("overrides", "differing"),
    [
        (["outer.lr=0.02"], ["outer.lr = 0.01 there, 0.02 now"]),
        (["seed=1"], ["seed = 0 there, 1 now"]),
        (["outer.final_lr=0.001"], ["outer.final_lr = 0.0 there, 0.001 now"]),
        (["workers.block_size=3"], ["workers.block_size = 2 there, 3 now"]),
        (["runtime.xla=true"], ["runtime.xla = False there, True now"]),
        (["outer.clip_norm=1.0"], ["outer.clip_norm = None there, 1.0 now"]),
        (
            ["outer.schedule=linear"],
            ["outer.schedule = 'constant' there, 'linear' now", "outer.steps"],
        ),
        (
            REPTILE_ADAM[:1],
            ["algorithm.kind = 'maml' there, 'reptile' now", "algorithm.first_order = False there"],
        ),
    ],
    ids=lambda x: " ".join(x)[:30],
)
def test_a_change_of_the_numbers_is_refused_naming_the_key_and_both_values(
    finished, overrides, differing
):
    folder, *_ = finished
    changed = sinusoid(*overrides)
    with pytest.raises(ValueError, match="--allow-changes") as refused:
        find_state(changed, Storage(str(folder)), True, False)
    state, _, notes = find_state(changed, Storage(str(folder)), True, True)
    assert state.step == 12
    assert len(notes) == 1
    for message in (str(refused.value), notes[0]):
        assert "\n" not in message
        for part in differing:
            assert part in message


@pytest.mark.parametrize(
    "override",
    ["outer.steps=30", "workers.count=3", "checkpoint.every=1", "evaluation.tasks=9", "name=other"],
)
def test_what_leaves_the_numbers_as_they_are_may_change(finished, override):
    folder, *_ = finished
    state, _, notes = find_state(sinusoid(override), Storage(str(folder)), True, False)
    assert (state.step, notes) == (12, [])


def test_a_checkpoint_from_before_a_setting_existed_was_made_by_its_default(config, tmp_path):
    """Written by an older version, that had nothing to say of it."""
    run = start(config, tmp_path / "run")
    run.close()
    storage = Storage(str(tmp_path / "run"))
    state, manifest = checkpoint.load(storage, "ckpt-00000000")
    older = {key: v for key, v in manifest.bits.items() if key != "runtime.non_finite"}
    table = {**manifest.config, "runtime": {"xla": False}}
    checkpoint.save(storage, state, replace(manifest, bits=older, config=table))
    assert find_state(config, storage, True, False)[0].step == 0
    skipping = sinusoid("runtime.non_finite=skip")
    with pytest.raises(ValueError, match=r"runtime\.non_finite = 'fail' there, 'skip' now"):
        find_state(skipping, storage, True, False)


def test_the_steps_may_not_grow_where_the_schedule_depends_on_them(tmp_path):
    config = sinusoid("outer.schedule=linear", "outer.steps=2")
    finish(start(config, tmp_path / "run"))
    longer = sinusoid("outer.schedule=linear", "outer.steps=4")
    with pytest.raises(ValueError, match=r"outer\.steps = 2 there, 4 now"):
        find_state(longer, Storage(str(tmp_path / "run")), True, False)


def test_a_run_that_grows_is_the_longer_run(finished, tmp_path):
    *_, theta_sha256 = finished
    finish(start(sinusoid("outer.steps=5"), tmp_path / "run"))
    run = start(sinusoid(), tmp_path / "run", resume=True)
    finish(run)
    assert run.first_step == 5
    assert run.theta_sha256 == theta_sha256


@pytest.mark.parametrize(
    "override", ["outer.schedule=linear", "outer.optimizer=sgd", "outer.lr=0.5", "outer.steps=14"]
)
def test_a_change_that_is_insisted_on_is_trained_with(finished, tmp_path, override):
    folder, *_ = finished
    shutil.copytree(folder, tmp_path / "run")
    storage = Storage(str(tmp_path / "run"))
    changed = sinusoid("outer.steps=14", override)
    state, *_ = find_state(changed, storage, resume=True, allow_changes=True)
    run = TrainingRun(changed, storage, in_process(changed), state)
    progress, _ = finish(run)
    assert [p.report.step for p in progress] == [13, 14]


def test_weights_of_another_shape_are_refused_though_insisted_on(finished, tmp_path):
    """And the folder still is that of the run that can be resumed."""
    folder, *_ = finished
    shutil.copytree(folder, tmp_path / "run")
    storage = Storage(str(tmp_path / "run"))
    changed = sinusoid("outer.steps=14", "model.hidden=[9]")
    with pytest.raises(ValueError, match=r"model\.hidden") as refused:
        list(resume_anyhow(changed, storage).steps())
    assert "\n" not in str(refused.value)
    assert (tmp_path / "run" / "config.toml").read_bytes() == (folder / "config.toml").read_bytes()


def resume_anyhow(config, storage):
    state, *_ = find_state(config, storage, resume=True, allow_changes=True)
    return TrainingRun(config, storage, in_process(config), state)


def test_a_run_is_not_resumed_with_fewer_steps_than_it_has(finished):
    """Else the theta of step 12 would be printed and tested as that of step 5."""
    folder, *_ = finished
    with pytest.raises(ValueError, match=r"outer\.steps = 5.*12"):
        find_state(sinusoid("outer.steps=5"), Storage(str(folder)), True, False)


def test_a_change_of_a_setting_that_older_runs_lack_names_its_default(finished):
    folder, *_ = finished
    changed = sinusoid("runtime.isa=avx2", "algorithm.layer_rates=true")
    both = "layer_rates = False there, True now; runtime.isa = 'native' there, 'avx2' now"
    with pytest.raises(ValueError, match=both):
        find_state(changed, Storage(str(folder)), True, False)
