import json

import numpy as np
import pyarrow.parquet as pq
import pytest
import small_voices
from shown_protocol import odd_keys, protocol_in
from small_configs import ONE_BY_ONE
from small_learners import FIRST_ORDER, run_of

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli.adapt import generate_command
from orchestrator.cli.adapt.generate_command import GenerateRequest
from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")
SHOWN, ASKED = ["baba", "ba xba", "xx baba"], ["baxba", "ba yba"]


def voices():
    return small_voices.voices(*ONE_BY_ONE, "outer.steps=4", FIRST_ORDER)


def request(tmp_path, **changes):
    support, query = tmp_path / "support.txt", tmp_path / "query.txt"
    support.write_text("\n".join(SHOWN) + "\n\n")
    query.write_text("\n".join(ASKED))
    common = {"support": str(support), "query": str(query), "columns": Columns()}
    return GenerateRequest(**{"source": str(run_of(voices())), **common, **changes})


def test_the_command_says_what_python_does(tmp_path, capsys):
    manner = {"prompt": "ba", "temperature": 0.7, "top_k": 4, "seed": 5}
    out = tmp_path / "p.parquet"
    model = tmp_path / "m.keras"
    generate_command.generate_texts(
        request(tmp_path, number=3, **manner, out=out, save_model=model)
    )
    shown = capsys.readouterr().out
    learner = Learner.load(run_of(voices()))
    predictor = learner.adapt(SHOWN)
    rows = pq.read_table(out).to_pylist()
    assert [row["query"] for row in rows] == ASKED
    expected = predictor.by_inner_step(ASKED)
    np.testing.assert_allclose([row["by_inner_step"] for row in rows], expected.T, rtol=1e-3)
    assert rows[0]["bits_per_character"] == rows[0]["by_inner_step"][-1]
    start = learner.adapt(SHOWN, inner_steps=0)
    before, after = start.generate(3, **manner), predictor.generate(3, **manner)
    steps = learner.recipe.inner_steps
    lines = ["before:", *before, f"after {steps} inner steps:", *after]
    assert "\n".join(lines) in shown
    assert "bits per character: " in shown
    assert "ckpt-" in protocol_in(shown)["weights"]
    assert model.is_file()


def test_as_json_the_scores_are_those_of_the_file_and_the_texts_are_there(tmp_path, capsys):
    out = tmp_path / "p.parquet"
    generate_command.generate_texts(request(tmp_path, number=2, out=out, as_json=True))
    document = json.loads(capsys.readouterr().out)
    assert document["queries"] == pq.read_table(out).to_pylist()
    assert [row["adapted"] for row in document["texts"]] == [False, False, True, True]
    assert document["protocol"]["queries"] == len(ASKED)
    assert (document["protocol"]["support_examples"], odd_keys(document)) == (3, [])


def test_characters_that_the_run_does_not_know_are_told(tmp_path, capsys):
    strange = tmp_path / "strange.txt"
    strange.write_text("baba\nb\u00e4\u4e00ba\n")
    generate_command.generate_texts(request(tmp_path, query=str(strange)))
    notes = " ".join(capsys.readouterr().err.split())
    assert "--query: 2 characters that no training task has are a single token" in notes
    assert "'\u00e4', '\u4e00'" in notes
    assert "--support" not in notes


def test_empty_lines_between_texts_are_told(tmp_path, capsys):
    gaps = tmp_path / "gaps.txt"
    gaps.write_text("baba\n\nbaxba\n \nxx baba\n\n")
    generate_command.generate_texts(request(tmp_path, query=str(gaps)))
    shown = capsys.readouterr()
    assert "--query: empty lines are left out: 2" in " ".join(shown.err.split())
    assert "--support" not in shown.err
    assert protocol_in(shown.out)["queries"] == "3"


def test_texts_alone_need_no_query(tmp_path, capsys):
    out = tmp_path / "p.parquet"
    generate_command.generate_texts(request(tmp_path, query=None, number=4, out=out))
    rows = pq.read_table(out).to_pylist()
    assert [row["adapted"] for row in rows] == [False] * 4 + [True] * 4
    shown = capsys.readouterr().out
    assert all(row["text"] in shown for row in rows)
    assert "bits per character" not in shown
    assert protocol_in(shown)["support examples"] == "3"
    assert "queries" not in shown


def test_each_task_of_a_table_is_adapted_to_alone(tmp_path, capsys):
    table = tmp_path / "t.csv"
    lines = ["who,text", *(f"{who},{who}{who}{x}" for who in ("ba", "di") for x in ("", "x", " y"))]
    table.write_text("\n".join(lines) + "\n")
    columns = Columns(task="who")
    given = {"support": str(table), "query": str(table), "columns": columns}
    out = tmp_path / "p.parquet"
    generate_command.generate_texts(request(tmp_path, **given, number=1, out=out))
    shown = capsys.readouterr().out
    assert "before of ba:" in shown
    assert "inner steps of di:" in shown
    rows = pq.read_table(out).to_pylist()
    own = Learner.load(run_of(voices())).adapt(["didi", "didix", "didi y"])
    bits = [row["bits_per_character"] for row in rows if row["task"] == "di"]
    np.testing.assert_allclose(bits, own.bits_per_character(["didi", "didix", "didi y"]), rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"query": None}, "there is nothing to do; give --query FILE, --number N"),
        ({"support": None}, "there is nothing to adapt to; give --support FILE"),
        (
            {"prompt": "ba", "seed": 3},
            "--prompt, --seed: there are no texts to generate; give --number",
        ),
        ({"number": 0}, "0 texts to generate"),
        ({"number": 1, "temperature": -1}, "temperature = -1"),
        ({"number": 1, "prompt": "b" * 15}, "the prompt has 15 characters"),
        ({"columns": Columns(("a", "b"))}, "--input-column a, b: a text is in a single column"),
        ({"support": "nowhere.txt"}, "--support nowhere.txt is not a file"),
        ({"support": __file__}, "is not a text or table"),
    ],
)
def test_wrong_input_is_refused_and_nothing_written(tmp_path, change, match):
    if "columns" in change:
        (tmp_path / "a.csv").write_text("text\nba\n")
        change = {**change, "support": str(tmp_path / "a.csv")}
    out = tmp_path / "p.parquet"
    with pytest.raises(ValueError, match=match):
        generate_command.generate_texts(request(tmp_path, **change, out=out))
    assert not out.exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"ba\n\ncaf\xe9\n", "line 3 is not UTF-8"),
        (b"\n \n", "has no text"),
        (b"ba\n" + b"x" * 20, "line 2 has 20 characters, the model takes 15"),
    ],
)
def test_a_text_file_that_cannot_be_taken_is_named(tmp_path, content, match):
    file = tmp_path / "wrong.txt"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=match):
        generate_command.generate_texts(request(tmp_path, support=str(file)))
