"""Fixtures of the tests of whole runs. TensorFlow is not imported before the first test."""

import pytest


@pytest.fixture(scope="session")
def config():
    from small_configs import sinusoid

    return sinusoid()


@pytest.fixture(scope="session")
def finished(config, tmp_path_factory):
    """The folder, the steps and the result of an undisturbed run. Not to be written to."""
    from training_runs import finish, start

    folder = tmp_path_factory.mktemp("runs") / "run"
    run = start(config, folder)
    progress, result = finish(run)
    return folder, progress, result, run.theta_sha256
