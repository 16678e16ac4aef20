import json

import pytest
from hostile_names import NAMES

from orchestrator.reporting.pictures.lines import Line, as_json, read_lines


def test_lines_are_read_as_they_were_written():
    lines = [Line(name, "before", True) for name in NAMES.values()] + [Line("")]
    assert read_lines(as_json(lines)) == lines


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{}",
        b"[1]",
        b'[{"text": 1, "tone": "plain", "indented": false}]',
        b'[{"text": "", "tone": "<b>", "indented": false}]',
        b'[{"text": "", "tone": [], "indented": false}]',
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_none_of_ours_has_no_lines(content):
    assert read_lines(content) == []


def test_what_a_newer_version_adds_is_passed_over():
    (row,) = json.loads(as_json([Line("a")]))
    assert read_lines(json.dumps([row | {"new": 1}]).encode()) == [Line("a")]
