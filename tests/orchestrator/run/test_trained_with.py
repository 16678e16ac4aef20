"""A run is evaluated with the configuration and data of its checkpoint."""

import shutil
from dataclasses import replace

import pytest
from small_configs import sinusoid
from small_learners import run_of
from small_runs import in_process

from orchestrator.run.resume import find_state
from orchestrator.run.trained_with import check_configuration, check_data, other_machine
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage


@pytest.fixture
def storage(tmp_path):
    shutil.copytree(run_of(sinusoid()), tmp_path / "run")
    return Storage(str(tmp_path / "run"))


def best(storage):
    return checkpoint.load(storage, checkpoint.best(storage)[0])[1]


def test_the_runs_own_configuration_is_evaluated_without_a_word(storage):
    assert check_configuration(sinusoid(), storage, best(storage), False) == []
    not_of_bits = sinusoid("evaluation.tasks=3", "workers.max_failures=2", "name=other")
    assert check_configuration(not_of_bits, storage, best(storage), False) == []


@pytest.mark.parametrize(
    ("key", "there", "now"),
    [
        ("model.activation", "'relu'", "'tanh'"),
        ("task.amplitude", "[0.1, 5.0]", "[0.1, 4.0]"),
        ("algorithm.first_order", "False", "True"),
        ("seed", "0", "7"),
    ],
)
def test_an_edited_configuration_is_refused_by_its_key_unless_insisted_on(storage, key, there, now):
    value = now.strip("'").lower() if now == "True" else now
    edited, manifest = sinusoid(f"{key}={value}"), best(storage)
    difference = f"{key} = {there} there, {now} now"
    with pytest.raises(ValueError, match="differs from the checkpoint: ") as refused:
        check_configuration(edited, storage, manifest, False)
    assert difference in str(refused.value)
    assert str(refused.value).endswith("; set them back, or give --allow-changes")
    assert check_configuration(edited, storage, manifest, True) == [
        f"evaluating with changes since the checkpoint: {difference}"
    ]


def test_fewer_outer_steps_than_were_done_are_no_protocol(storage):
    manifest = best(storage)
    edited = sinusoid(f"outer.steps={manifest.step - 1}")
    with pytest.raises(ValueError, match=rf"outer\.steps = {manifest.step} or more there, "):
        check_configuration(edited, storage, manifest, False)
    longer = sinusoid(f"outer.steps={manifest.step + 1}")
    assert check_configuration(longer, storage, manifest, False) == []


def test_a_run_that_was_resumed_with_changes_is_evaluated_with_a_note(storage):
    """Its best checkpoint may be older than the change, which its config.toml has."""
    older, config = best(storage), sinusoid("outer.lr=0.02", "outer.steps=16")
    state, *_ = find_state(config, storage, resume=True, allow_changes=True)
    run = TrainingRun(config, storage, in_process(config), state)
    list(run.steps())
    run.close()
    (note,) = check_configuration(config, storage, older, False)
    assert note.startswith("evaluating with changes since the checkpoint: outer.lr = 0.01 there")


def test_other_data_are_refused_unless_insisted_on(storage):
    manifest = replace(best(storage), fingerprint={"data": "abc", "numpy": "1"})
    assert check_data("abc", manifest, False) == []
    with pytest.raises(ValueError, match=r"the data or their split differ from .*task\.path"):
        check_data("abd", manifest, False)
    assert check_data("abd", manifest, True) == [
        "evaluating on other data, or another split, than the run was trained on"
    ]


def test_another_machine_is_a_note(storage):
    manifest = replace(best(storage), fingerprint={"data": "abc", "numpy": "1", "model": "x"})
    assert other_machine({"data": "d", "numpy": "1"}, manifest) == []
    assert other_machine({"data": "d", "numpy": "2"}, manifest) == [
        "trained elsewhere, last digits may differ: numpy: '2' here, '1' there"
    ]
