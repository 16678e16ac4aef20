"""Every command about a run, with hostile names wherever a user may give one."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_names import NAMES, obeyed_in
from page_reader import Reader
from shown_protocol import protocol_in
from small_configs import table

from orchestrator.cli import app
from orchestrator.config.schema import to_toml

# What a file system takes: no NUL, no slash, no more than 255 bytes.
FOLDERS = {
    "markup and formulas": "[x] $\\bad{a}$ {{ 7 }} \"'`<b>&",
    "escapes": "\x1b[31m\x9b2J\nnext\ttab",
    "other letters": "-é 日本 😀 abc\u202edcb \u2066x",
}
SHORT = {kind: name for kind, name in NAMES.items() if kind not in ("very long", "blank")}
CLASSES = [NAMES["a formula"], NAMES["terminal escapes"]]
KEY = "".join(NAMES[kind] for kind in ("square brackets", "right to left", "a newline"))


def rows_of(groups, number=12):
    """Write a table whose columns, groups and classes have hostile names."""
    rng = np.random.default_rng(0)
    return pa.table(
        {
            f"task {KEY}": [name for name in groups for _ in range(number)],
            "reading": rng.random(len(groups) * number),
            f"class {KEY}": CLASSES * (len(groups) * number // 2),
        }
    )


def command(capsys, *words):
    """Run a command in this process, and return its output."""
    sys.argv = ["metatrain", *map(str, words)]
    try:
        app.main()
    except SystemExit as ended:
        assert not ended.code, capsys.readouterr().err  # noqa: PT017
    shown = capsys.readouterr()
    message = shown.out + shown.err
    assert obeyed_in(message) == []
    assert "Traceback" not in message
    return shown


@pytest.mark.slow
@pytest.mark.usefixtures("shared_runners")
@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_commands_show_names_and_obey_none(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [])
    pq.write_table(rows_of(SHORT.values()), "rows.parquet")
    pq.write_table(rows_of(["new"], 4), f"{folder}.parquet")
    config = table(
        "rows.parquet",
        "outer.steps=2",
        "workers.count=0",
        "evaluation.every=2",
        "task.shots=2",
        "task.queries=2",
    )
    settings = {
        "name": KEY,
        "task": config.task.model_copy(
            update={"task_column": f"task {KEY}", "target_column": f"class {KEY}"}
        ),
    }
    (tmp_path / "run.toml").write_text(to_toml(config.model_copy(update=settings)), "utf-8")

    assert r"\u202e" in command(capsys, "data", "run.toml").out
    shown = command(capsys, "train", "run.toml", f"--out={folder}")
    assert "theta after step 2" in shown.out
    command(capsys, "checkpoints", "--", folder)
    command(capsys, "evaluate", "--", folder)
    command(capsys, "report", "--", folder)
    command(capsys, "export", "--", folder, "a.metatrain")
    asked = ["--support", f"{folder}.parquet", "--query", f"{folder}.parquet"]
    message = command(capsys, "adapt", "a.metatrain", *asked, "--out", "p.parquet").out
    assert "ckpt-" in protocol_in(message)["weights"]
    page = (tmp_path / folder / "report.html").read_text("utf-8")
    assert obeyed_in(page) == []
    assert not {"b", "script"} & Reader(page).tags
