import json

import pytest
from small_sweeps import sweep_of

from orchestrator.config.schema import read_table
from orchestrator.storage.storage import Storage
from orchestrator.sweep import record

SPACE = {"algorithm.inner_lr": {"loguniform": [0.001, 0.1]}}
TABLE = read_table("sinusoid")


def begin(folder, space=None, table=None, resume=False, **settings):
    storage, sweep = Storage(str(folder)), sweep_of(space or SPACE, **settings)
    record.check(storage, sweep, table or TABLE, resume)
    record.write(storage, sweep, table or TABLE)


def refusal(folder, *args, **more):
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        begin(folder, *args, **more)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(f"{folder} ")
    return message


def test_what_is_no_sweep_is_not_resumed(tmp_path):
    assert "holds no sweep (no sweep.json)" in refusal(tmp_path / "gone", resume=True)
    assert not (tmp_path / "gone").exists()
    assert "holds no sweep (no sweep.json)" in refusal(tmp_path, resume=True)


def test_what_a_sweep_is_is_written_into_an_empty_folder(tmp_path):
    begin(tmp_path / "s", samples=3)
    written = json.loads((tmp_path / "s" / record.SWEEP_FILE).read_text())
    assert written["run"] == TABLE
    assert written["sweep"]["samples"] == 3
    space = written["sweep"]["space"]["algorithm.inner_lr"]
    assert space == {"loguniform": [0.001, 0.1], "when": {}}


def test_a_second_sweep_in_the_folder_is_refused(tmp_path):
    begin(tmp_path)
    message = refusal(tmp_path)
    assert "already holds a sweep" in message
    assert "--resume" in message


def test_the_same_sweep_goes_on(tmp_path):
    begin(tmp_path, top=1)
    before = (tmp_path / record.SWEEP_FILE).read_bytes()
    begin(tmp_path, resume=True, top=1)
    assert (tmp_path / record.SWEEP_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"space": {"algorithm.inner_lr": {"loguniform": [0.001, 0.2]}}},
            "sweep.space.algorithm.inner_lr.loguniform = [0.001, 0.1] there, [0.001, 0.2] now",
        ),
        ({"samples": 8}, "sweep.samples = 16 there, 8 now"),
        ({"top": 2}, "sweep.top = 1 there, 2 now"),
        ({"metric": "loss"}, "sweep.metric = None there, 'loss' now"),
        ({"search": {"scheduler": "asha"}}, "sweep.search.scheduler = 'none' there, 'asha' now"),
        ({"table": {**TABLE, "seed": 7}}, "run.seed = None there, 7 now"),
    ],
)
def test_another_sweep_is_refused_by_the_name_of_what_differs_and_both_values(
    tmp_path, changes, expected
):
    begin(tmp_path)
    message = refusal(tmp_path, resume=True, **changes)
    assert message == f"{tmp_path} was started with other settings: {expected}; set them back"


def test_all_that_differs_is_named(tmp_path):
    begin(tmp_path)
    message = refusal(tmp_path, resume=True, samples=8, seed=3)
    assert "sweep.samples = 16 there, 8 now; sweep.seed = 0 there, 3 now; set" in message


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "config.toml").write_text("seed = 1")
    assert "is not empty (config.toml); give a new --out" in refusal(tmp_path)
    assert f"holds no sweep (no {record.SWEEP_FILE})" in refusal(tmp_path, resume=True)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
