"""Columns of metrics.jsonl that have a new name are read under the old one too."""

import shutil
from pathlib import Path

import pytest

from orchestrator.records.metrics_log import MetricsLog, read_metrics, read_whole_rows
from orchestrator.storage.storage import Storage

#: Two steps of TRPO, from before the column `divergence` became `kl`.
GOLDEN = Path(__file__).parent / "golden" / "metrics-divergence.jsonl"


@pytest.fixture
def storage(tmp_path):
    shutil.copy(GOLDEN, tmp_path / "metrics.jsonl")
    return Storage(str(tmp_path))


def test_the_column_divergence_is_read_as_kl(storage):
    rows = read_metrics(storage)
    assert [row["step"] for row in rows] == [1, 2]
    assert all(0 < row["kl"] <= 0.01 and "divergence" not in row for row in rows)
    assert read_whole_rows(storage) == (rows, 0)


def test_a_resumed_run_has_one_column_for_both_names(storage):
    log = MetricsLog(storage, step=2)
    log.append({"step": 3, "kl": 0.005})
    log.close()
    assert [row["kl"] > 0 for row in read_metrics(storage)] == [True] * 3
