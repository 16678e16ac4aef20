import pytest
from small_checkpoints import make_state, save
from small_configs import sinusoid

from orchestrator.config.schema import to_toml
from orchestrator.storage.storage import Storage
from orchestrator.sweep.trial_checkpoint import (
    TrialCheckpoint,
    beside,
    find_trial_run,
    read_trial_checkpoint,
    write_trial_checkpoint,
)

OURS, OTHER = sinusoid(), sinusoid("algorithm.inner_lr=0.2")
STATE = make_state(8)
OWN, OTHERS = TrialCheckpoint(STATE, "a"), TrialCheckpoint(STATE, "b")


@pytest.fixture
def location(tmp_path):
    return str(tmp_path / "a")


def leave(location, config=OURS, step=4):
    """A run that has got as far as `step`; 0: without a checkpoint."""
    storage = Storage(location)
    storage.write("config.toml", to_toml(config).encode())
    if step:
        save(storage, step)


def go_on(config, location, handed):
    storage, state = find_trial_run(config, location, handed)
    return storage.location.removeprefix(location), state


def test_a_trial_without_a_donor_is_in_its_own_folder(location):
    assert go_on(OURS, location, None) == ("", None)
    leave(location)
    assert go_on(OURS, location, None) == ("", None)


def test_a_trial_without_a_donor_stays_whatever_is_there_and_resuming_decides(location):
    leave(location, OTHER)
    assert go_on(OURS, location, None) == ("", None)


def test_a_trial_without_a_donor_goes_on_in_its_last_folder(location):
    for place in ("", "-2", "-3"):
        leave(location + place)
    assert go_on(OURS, location, None) == ("-3", None)


def test_a_folder_behind_a_gap_is_not_the_trials(location):
    leave(location)
    leave(f"{location}-3")
    assert go_on(OURS, location, None) == ("", None)


def test_a_trial_whose_configuration_is_there_goes_on_from_what_is_there(location):
    leave(location)
    assert go_on(OURS, location, OWN) == ("", None)
    leave(f"{location}-2", OTHER)
    assert go_on(OTHER, location, TrialCheckpoint(STATE, "a-2")) == ("-2", None)


def test_a_trial_that_takes_over_from_another_does_so_with_an_equal_configuration_too(location):
    leave(location)
    assert go_on(OURS, location, OTHERS) == ("-2", STATE)


def test_a_trial_with_another_configuration_goes_on_from_its_donor_in_the_next_folder(location):
    leave(location)
    assert go_on(OTHER, location, OWN) == ("-2", STATE)
    assert go_on(OTHER, location, OTHERS) == ("-2", STATE)
    leave(f"{location}-2", OTHER)
    assert go_on(OURS, location, OTHERS) == ("-3", STATE)


def test_a_trial_that_has_not_begun_goes_on_from_its_donor_in_its_own_folder(location):
    assert go_on(OURS, location, OTHERS) == ("", STATE)


def test_a_run_without_a_checkpoint_has_nothing_to_go_on_from(location):
    leave(location, step=0)
    assert go_on(OURS, location, OWN) == ("-2", STATE)


def test_what_does_not_change_the_weights_is_no_other_configuration(location):
    leave(location, sinusoid("workers.count=2", "checkpoint.keep=5"))
    assert go_on(OURS, location, OWN) == ("", None)


def test_what_is_handed_over_comes_back_with_the_name_of_its_run(location, tmp_path):
    leave(location, step=4)
    write_trial_checkpoint(Storage(location), Storage(str(tmp_path / "box")))
    handed = read_trial_checkpoint(Storage(str(tmp_path / "box")))
    assert (handed.state.step, handed.run) == (4, "a")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("runs/a", "runs/a-2"),
        ("runs/a/", "runs/a-2"),
        ("s3://bucket/a", "s3://bucket/a-2"),
        ("s3://bucket/a/?scheme=http&x=y/z", "s3://bucket/a-2?scheme=http&x=y/z"),
    ],
)
def test_a_suffix_goes_behind_the_name_and_before_the_options(location, expected):
    assert beside(location, "-2") == expected
