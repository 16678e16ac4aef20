import re

import pytest
from hostile_names import NAMES, obeyed_in

from orchestrator.text.plain_text import encodable, file_name, label, printable, shortened


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b2J", r"\x9b2J"),
        ("a\x00b", r"a\x00b"),
        ("\u202eabc", r"\u202eabc"),
        ("\udcff", r"\udcff"),
        ("\u2028", r"\u2028"),
        ("größe 日本 😀 क्षि 👩\u200d🔬", "größe 日本 😀 क्षि 👩\u200d🔬"),
        (r"back\slash [x] $y$ <z>", r"back\slash [x] $y$ <z>"),
    ],
)
def test_what_would_be_obeyed_is_written_out_and_nothing_else_changes(text, shown):
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines_are_kept_where_they_are_wanted():
    assert printable("a\nb\x1b", keep="\n") == "a\nb\\x1b"


def test_what_an_encoding_lacks_is_written_out_and_our_signs_in_plainer_ones():
    assert encodable("1 ± 2 → é", "ascii") == r"1 +- 2 -> \xe9"
    assert encodable("1 ± 2 → é", "utf-8") == "1 ± 2 → é"
    assert encodable("± é 日", "latin-1") == r"+- é \u65e5"


def test_labels_are_ascii_short_and_differ_where_names_differ():
    names = [*NAMES.values(), "", "long " * 1999, "\udcff"]
    labels = [label(name) for name in names]
    assert all(re.fullmatch(r"[A-Za-z0-9_.~%-]{1,100}", item) for item in labels)
    assert len(set(labels)) == len(names)
    assert label("first-run_1.b") == "first-run_1.b"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("größe [a] $x$ 日本", "größe [a] $x$ 日本"),
        ("../../a/b", "a-b"),
        ("~/a", "a"),
        ("--rm -rf", "rm -rf"),
        ("a\x00b\n", r"a\x00b\n"),
        ("..", "run"),
        ("", "run"),
        ("é" * 200, "é" * 100),
    ],
)
def test_a_name_becomes_the_name_of_one_file(text, name):
    assert file_name(text) == name


def test_a_long_text_is_cut():
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_nothing_is_left_to_obey(name):
    assert obeyed_in(printable(name)) == []
