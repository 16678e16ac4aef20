import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_passages import VOICES, rows_of
from small_texts import write

from workers.settings.generation_task import GenerationTask
from workers.tasks.registry import make_family
from workers.tasks.splits import SPLITS
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, take

DRAW = Draw(seed=3, split="train", step=7)
COMMON = {"task_column": "voice", "shots": 3, "queries": 4, "length": 24}
SPLIT = {"train_tasks": 6, "validation_tasks": 2, "test_tasks": 2}


def make_with(path, **changes):
    return make_family(GenerationTask(**{"path": str(path), **COMMON, **SPLIT, **changes}))


@pytest.fixture
def make(tmp_path):
    """A family over 10 tasks of 12 texts: 6 / 2 / 2 tasks."""
    path = write(tmp_path / "a.csv", rows_of(), ("voice", "text"))
    return lambda **changes: make_with(path, **changes)


@pytest.fixture
def of_rows(tmp_path):
    def of_rows(rows, **changes):
        return make_with(write(tmp_path / "b.csv", rows, ("voice", "text")), **changes)

    return of_rows


def said_by(family, split, number=60):
    specs = family.sample(Draw(0, split, 0), 0, number, 3, 4)
    return [(*said.support, *said.queries) for said in family.display_text(specs)]


def test_the_same_task_for_the_same_seed_step_and_index(make):
    family = make()
    whole, part = family.sample(DRAW, 0, 10, 3, 4), family.sample(DRAW, 4, 7, 3, 4)
    for name, values in take(whole, 4, 7).items():
        np.testing.assert_array_equal(part[name], values)


def test_support_and_query_are_different_texts_of_one_task(make):
    of = {text: voice for voice, text in rows_of()}
    for texts in said_by(make(), "train"):
        assert len(set(texts)) == 7
        assert len({of[text] for text in texts}) == 1


def test_tasks_of_a_split_are_in_no_other(make):
    of = {text: voice for voice, text in rows_of()}
    family = make()
    drawn = [{of[text] for texts in said_by(family, s) for text in texts} for s in SPLITS]
    assert [len(each) for each in drawn] == [6, 2, 2]
    assert len(set.union(*drawn)) == 10


def test_a_text_that_a_task_has_twice_counts_once(of_rows):
    rows = rows_of(per_task=7)
    family = of_rows(rows + rows)
    assert family.describe()["repeated_texts"] == 70
    assert all(len(set(texts)) == 7 for texts in said_by(family, "train"))


def test_copies_and_texts_of_several_tasks_are_told(of_rows):
    rows = rows_of(per_task=7)
    assert of_rows(rows).notes() == []
    family = of_rows([*rows, *rows, ("didi", rows[0][1])])
    assert family.notes() == [
        "70 texts are copies of another of the same task: each counts once, and none is in "
        "support and query of one task",
        "1 text is in several tasks (1 in several splits): in 'baba' and 'didi'; "
        "task.shared_texts=leave_out keeps those of held-out tasks out of training",
    ]
    shared = ("didi", rows[0][1])
    family = of_rows([*rows_of(per_task=8), shared], shared_texts="leave_out")
    assert family.notes() == []


def test_an_episode_says_what_its_texts_say(make):
    family = make()
    specs = family.sample(DRAW, 0, 2, 3, 4)
    episode, display = family.build(specs), family.display_text(specs)
    assert episode.support_inputs.shape == (2, 3, 24)
    assert episode.query_targets.shape == (2, 4, 24)
    for task in range(2):
        for text, ids in zip(display[task].queries, episode.query_targets[task], strict=True):
            assert (ids >= 0).sum() == len(text) + 1
    assert episode.query_inputs.max() < family.num_tokens == family.num_outputs


def test_the_vocabulary_has_no_character_that_training_tasks_do_not_have(make):
    family = make()
    used = {s: {c for texts in said_by(family, s) for c in "".join(texts)} for s in SPLITS}
    vocabulary = set(family.preparation["characters"]["vocabulary"])
    assert vocabulary == used["train"]
    assert used["test"] - vocabulary
    assert family.protocol("test")["unknown_share"] > 0
    assert family.protocol("train")["unknown_share"] == 0


def test_what_splits_share_is_left_out_of_training_if_asked_for(of_rows):
    rows = [*rows_of(), *((voice, "all say so") for voice in VOICES)]
    for choice, splits in (("keep", set(SPLITS)), ("leave_out", {"test"})):
        family = of_rows(rows, shared_texts=choice)
        having = {s for s in SPLITS if any("all say so" in texts for texts in said_by(family, s))}
        assert having == splits


def test_windows_are_equal_parts_of_a_tasks_text_in_its_order(tmp_path):
    rows = [("a", text, number) for number, text in ((2, "world"), (1, "hello"))] * 1
    rows += [(voice, text * 9, 0) for voice, text in rows_of(3)]
    path = write(tmp_path / "c.csv", rows, ("voice", "text", "at"))
    few = {"train_tasks": 2, "validation_tasks": 1, "test_tasks": 1, "shots": 1, "queries": 1}
    family = make_with(path, texts="windows", length=5, order_column="at", **few)
    texts = {text for s in SPLITS for each in said_by_one(family, s) for text in each}
    assert {"hello", "\nworl"} <= texts
    assert {len(text) for text in texts} == {5}
    episode = family.build(family.sample(DRAW, 0, 1, 1, 1))
    assert episode.query_targets.min() > 0


def said_by_one(family, split):
    specs = family.sample(Draw(0, split, 0), 0, 60, 1, 1)
    return [(*said.support, *said.queries) for said in family.display_text(specs)]


def test_windows_of_bytes_are_whole_characters(tmp_path):
    path = write(tmp_path / "d.csv", [(v, "aé" * 60) for v in VOICES], ("voice", "text"))
    settings = {"texts": "windows", "tokens": "bytes", "length": 5, "shots": 1, "queries": 1}
    with pytest.raises(DataError, match=r"task 'baba' has 1 different texts|has 2 different"):
        make_with(path, **{**settings, "queries": 5})
    family = make_with(path, **settings)
    assert all("\ufffd" not in text for each in said_by_one(family, "train") for text in each)


def test_all_formats_give_the_same_tasks(tmp_path, make):
    rows = rows_of()
    table = pa.table({"voice": [r[0] for r in rows], "text": [r[1] for r in rows]})
    pq.write_table(table, tmp_path / "a.parquet")
    digests = {make().digest, make_with(tmp_path / "a.parquet").digest}
    assert len(digests) == 1


def test_other_texts_splits_or_tokens_have_another_digest(make, of_rows):
    digests = {
        make().digest,
        make(split_seed=1).digest,
        make(tokens="bytes").digest,
        make(length=30).digest,
        of_rows(rows_of(per_task=11)).digest,
    }
    assert len(digests) == 5
    assert make().digest in digests


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"task_column": "who"},
            r"has no column 'who' \(task.task_column\); it has 'voice', 'text'",
        ),
        ({"text_column": "line"}, r"has no column 'line' \(task.text_column\)"),
        ({"order_column": "at"}, r"has no column 'at' \(task.order_column\)"),
        ({"order_column": "voice"}, r"row 0 has 'voice' = 'baba'; numbers"),
        ({"length": 4}, r"row \d+ has \d+ characters, the model takes 3: .* task.long_texts=cut"),
        (
            {"shots": 9},
            r"the task '\w+' has 12 different texts, 13 are needed for shots and queries",
        ),
        ({"train_tasks": 20}, r"task.train_tasks = 20 .* but the source has 10 tasks"),
        ({"shots": 99, "small_tasks": "leave_out"}, r"no task has 103 different texts"),
    ],
)
def test_what_is_wrong_is_named(make, changes, match):
    with pytest.raises(DataError, match=match):
        make(**changes)


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (("baba", ""), r"row 120 has no 'text'"),
        (("baba", "  "), r"row 120 has an empty 'text'"),
        (("", "hello"), r"row 120 has no 'voice'"),
    ],
)
def test_an_empty_cell_is_named(of_rows, row, match):
    with pytest.raises(DataError, match=match):
        of_rows([*rows_of(), row])


def test_a_column_of_texts_holds_texts(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"voice": ["a", "b"], "text": [1.5, 2.5]}), path)
    with pytest.raises(DataError, match=r"'text' holds double, not texts; .*task.text_column"):
        make_with(path)


def test_what_is_no_utf8_is_named(tmp_path):
    path = write(tmp_path / "e.csv", rows_of(), ("voice", "text"))
    path.write_bytes(path.read_bytes() + b"baba,caf\xe9\n")
    with pytest.raises(DataError, match=r"row 120 has a 'text' that is not UTF-8"):
        make_with(path)


def test_a_task_in_two_splits_is_named(tmp_path, make):
    file = tmp_path / "split.json"
    listed = {"train": ["baba", "coco"], "validation": ["didi"], "test": ["coco"]}
    file.write_text(json.dumps(listed))
    with pytest.raises(DataError, match=r"'coco' is listed in 'train' and in 'test'"):
        make(split_file=str(file), **dict.fromkeys(SPLIT))


def test_small_tasks_are_left_out_if_asked_for(of_rows):
    rows = [*rows_of(), ("tiny", "one"), ("tiny", "two")]
    remedy = r"or leave such tasks out: task.small_tasks=leave_out with task.min_texts=\d+$"
    with pytest.raises(DataError, match=rf"the task 'tiny' has 2 different texts.*{remedy}"):
        of_rows(rows, test_tasks=None, train_tasks=8, validation_tasks=1)
    assert of_rows(rows, small_tasks="leave_out").describe()["tasks"] == 10


def test_an_evaluation_with_more_shots_needs_larger_tasks(make):
    with pytest.raises(DataError, match=r"12 different texts[^;]*; lower shots or queries$"):
        make().sample(DRAW, 0, 1, 9, 4)
    with pytest.raises(DataError, match=r"no task has 13 different texts"):
        make(small_tasks="leave_out", min_texts=13)


def test_a_text_that_is_too_long_is_named_by_its_first_row(of_rows):
    with pytest.raises(DataError, match=r"row 0 has \d+ characters, the model takes 3"):
        of_rows([*rows_of(), *rows_of()], length=4)


def test_long_texts_are_cut_if_asked_for(make):
    family = make(length=4, long_texts="cut")
    assert family.build(family.sample(DRAW, 0, 1, 3, 4)).query_targets.shape == (1, 4, 4)


def test_a_task_is_called_by_its_group(make):
    family = make()
    voice_of = {text: voice for voice, text in rows_of()}
    specs = family.sample(Draw(0, "train", 0), 0, 9, 3, 4)
    for name, words in zip(family.names(specs), family.display_text(specs), strict=True):
        assert {voice_of[text] for text in (*words.support, *words.queries)} == {name}
