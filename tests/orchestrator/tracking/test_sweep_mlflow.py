import os
import socket

import pytest

from orchestrator.tracking.mlflow_server import check_mlflow


def test_without_a_server_there_is_nothing_to_ask():
    check_mlflow(None)


def test_a_server_that_does_not_answer_is_refused():
    pytest.importorskip("mlflow", reason="MLflow is not installed")
    before = dict(os.environ)
    with socket.socket() as nobody:  # bound, and not listening: a connection is refused
        nobody.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"mlflow = '{uri}' cannot be logged to"):
            check_mlflow(uri)
    assert dict(os.environ) == before


def test_what_is_logged_has_outer_steps_on_the_axis():
    from orchestrator.tracking.ray_mlflow import OuterStepLogger

    logged = []

    class Server:
        def log_metrics(self, run_id, metrics_to_log, step):
            logged.append((run_id, metrics_to_log["loss"], step))

    logger = OuterStepLogger.__new__(OuterStepLogger)  # mlflow itself need not be installed
    logger.mlflow_util, logger._trial_runs = Server(), {"trial": "run"}
    for number, step in enumerate((500, 1000), start=1):
        report = {"loss": 0.5, "step": step, "training_iteration": number}
        logger.log_trial_result(number, "trial", report)
    assert logged == [("run", 0.5, 500), ("run", 0.5, 1000)]
