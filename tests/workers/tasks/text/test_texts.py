import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_texts import rows_of, write

from workers.settings.text_tasks import TextTask
from workers.tasks.text.texts import read_texts, split_texts
from workers.wire.errors import DataError


def read(path, needed=2, **changes):
    settings = TextTask(path=str(path), **changes)
    return read_texts(settings.path, settings, needed)


def test_texts_by_class_each_text_once(tmp_path):
    rows = [("a", "x", "d"), ("b", "y", "d"), ("a", "x", "d"), (" c ", "x", "d")]
    texts = read(write(tmp_path / "a.csv", rows), domain_column="domain")
    assert texts.classes == ["x", "y"]
    assert [rows.tolist() for rows in texts.rows] == [[0, 3], [1]]
    assert (texts.texts[3], texts.domains) == ("c", ["d", "d"])
    assert texts.of_classes([0]) == ["a", "c"]


def test_texts_of_several_classes_are_counted(tmp_path):
    rows = [("a", "x", ""), ("a", "y", ""), ("b", "x", ""), ("b", "x", "")]
    assert read(write(tmp_path / "a.csv", rows)).describe()["texts_of_several_classes"] == 1
    assert "texts_of_several_classes" not in read(write(tmp_path / "a.csv", rows[1:])).describe()


def test_numbers_as_classes_stay_as_they_are_written(tmp_path):
    texts = read(write(tmp_path / "a.csv", [("a", "007", ""), ("b", "7", "")]))
    assert texts.classes == ["007", "7"]


@pytest.mark.parametrize(
    ("rows", "changes", "match"),
    [
        ([("a", "x", "d")], {"text_column": "t"}, r"no column 't' \(task.text_column\); it has"),
        ([("a", "x", "d")], {"domain_column": "z"}, r"no column 'z' \(task.domain_column\)"),
        ([("a", "x", "d"), ("", "x", "d")], {}, r"row 1 has no 'text'"),
        ([("a", "x", "d"), ("  ", "x", "d")], {}, r"row 1 has an empty 'text'; leave the row out"),
        ([("a", "x", "d"), ("b", "", "d")], {}, r"row 1 has no 'label'"),
        ([("a", "x", "d"), ("b", "x", "e")], {"domain_column": "domain"}, r"row 1 has 'x' in the"),
        ([("a", "x", "d")], {"leave_out": ("q",)}, r"names 'q', which is not a class"),
        ([("a", "x", "d")], {"small_classes": "leave_out"}, r"no class has 2 different texts"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, rows, changes, match):
    path = write(tmp_path / "a.csv", rows)
    with pytest.raises(DataError, match=match):
        read(path, **changes)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_text_that_is_no_utf8_is_named_by_row_and_column(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "csv":
        path.write_bytes(b"text,label\nfine,x\nb\xff\xfed,x\n")
    else:
        column = pa.array([b"fine", b"b\xff\xfed"], pa.binary()).view(pa.string())
        pq.write_table(pa.table({"text": column, "label": ["x", "x"]}), path)
    with pytest.raises(DataError, match=r"a\.\w+: row 1 has a 'text' that is not UTF-8"):
        read(path)


def test_a_column_of_texts_holds_texts(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [1.5, 2.5], "label": ["x", "y"]}), path)
    with pytest.raises(DataError, match=r"'text' holds double, not texts; .*task.text_column"):
        read(path)


def test_a_file_is_found_in_the_data_folder(tmp_path, monkeypatch):
    write(tmp_path / "a.csv", [("a", "x", ""), ("b", "x", "")])
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path))
    assert read("a.csv").classes == ["x"]
    with pytest.raises(DataError, match=r"task\.path = 'b\.csv': there is no file b\.csv, nor "):
        read("b.csv")


def test_a_class_that_is_too_small_is_named_or_left_out(tmp_path):
    path = write(tmp_path / "a.csv", [("a", "x", ""), ("b", "x", ""), ("c", "y", "")])
    texts = read(path)
    with pytest.raises(DataError, match=r"class 'y' has 1 different texts, shots and queries need"):
        texts.check_sizes([0, 1], 2, ways=1)
    assert read(path, small_classes="leave_out").classes == ["x"]


def test_a_split_by_domains_keeps_them_apart(tmp_path):
    path = write(tmp_path / "a.csv", rows_of())
    settings = TextTask(
        path=str(path),
        domain_column="domain",
        split_by="domains",
        train_domains=2,
        validation_domains=1,
        test_domains=1,
    )
    texts = read_texts(settings.path, settings, 2)
    splits = split_texts(texts, settings, "domains")
    domains = {split: {texts.domains[i] for i in part} for split, part in splits.items()}
    assert [len(domains[split]) for split in ("train", "validation", "test")] == [2, 1, 1]
    assert len(set.union(*domains.values())) == 4
    assert sorted(np.concatenate([*splits.values()]).tolist()) == list(range(12))


def test_all_classes_that_are_too_small_are_named(tmp_path):
    rows = [(f"{name}{i}", name, "") for i in range(3) for name in "xyz"] + [("more", "y", "")]
    texts = read(write(tmp_path / "a.csv", rows))
    message = r"'x' has 3 different .* need 4 \(2 are too small: 'x' \(3\), 'z' \(3\)\); lower"
    with pytest.raises(DataError, match=message):
        texts.check_sizes(range(3), 4, ways=1)


@pytest.mark.parametrize(("large", "advised"), [(6, True), (5, False)])
def test_leaving_out_is_advice_only_where_three_splits_keep_a_task_each(tmp_path, large, advised):
    rows = [(f"{name}{i}", name, "") for i in range(4) for name in "abcdef"[:large]]
    texts = read(write(tmp_path / "a.csv", [*rows, ("x1", "x", "")]))
    with pytest.raises(DataError, match="'x' has 1 different") as no:
        texts.check_sizes(range(large + 1), 4, ways=2)
    assert ("task.small_classes=leave_out" in str(no.value)) == advised
    assert "lower task.shots or task.queries" in str(no.value)


def test_copies_and_texts_of_several_classes_are_told(tmp_path):
    rows = [("a", "x", ""), ("a", "y", ""), ("b", "x", ""), ("b", "x", "")]
    texts = read(write(tmp_path / "a.csv", rows))
    split = {"train": np.array([0]), "validation": np.array([1]), "test": np.array([], int)}
    assert texts.notes(split) == [
        "1 text is a copy of another of the same class: each counts once, and none is in support "
        "and query of one task",
        "1 text is in several classes (1 in several splits): in 'x' and 'y'; which class is right? "
        "leave the others out: a task may have it on both sides",
    ]


@pytest.mark.parametrize(
    "again", ["CAFÉ Noir", "cafe\u0301 noir", "café\u00a0noir", " café  noir "]
)
def test_capitals_spaces_and_stored_accents_make_no_other_text(tmp_path, again):
    texts = read(
        write(tmp_path / "a.csv", [("café noir", "x", ""), (again, "x", ""), ("b", "x", "")])
    )
    assert [rows.tolist() for rows in texts.rows] == [[0, 2]]
    assert texts.repeated == 1


def test_a_text_in_capitals_is_told_to_be_in_another_class_too(tmp_path):
    texts = read(write(tmp_path / "a.csv", [("one two", "x", ""), ("One Two", "y", "")]))
    split = {"train": np.array([0]), "validation": np.array([1]), "test": np.array([], int)}
    assert texts.notes(split) == [
        "1 text is in several classes (1 in several splits): in 'x' and 'y'; which class is right? "
        "leave the others out: a task may have it on both sides"
    ]
