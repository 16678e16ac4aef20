"""Digests in two parts, and those of older versions, which have the first one alone."""

import pytest

from workers.execution.fingerprint import differences
from workers.user_code.code_digest import CodeDigest, agree


def digest(content, further):
    total = CodeDigest(further)
    total.update(content)
    return total.hexdigest()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "constants.py"
    path.write_text("DELTA = 1.0\n")
    return path


def test_runs_of_older_versions_are_compared_by_the_first_part(file):
    ours = digest(b"code", [file])
    assert agree(ours, ours.partition("+")[0])
    assert agree(ours.partition("+")[0], ours)
    assert not agree(ours, digest(b"other", [file]).partition("+")[0])
    assert not agree(ours, "")
    assert not agree(ours, None)


def test_both_parts_count_where_both_are_there(file):
    ours, without = digest(b"code", [file]), digest(b"code", [])
    assert agree(ours, digest(b"code", [file]))
    assert not agree(ours, without)  # such as an actor that lacks the file
    file.write_text("DELTA = 2.0\n")
    assert not agree(ours, digest(b"code", [file]))


def test_a_fingerprint_of_an_older_version_has_no_difference(file):
    ours = {"model": digest(b"code", [file]), "data": ""}
    assert differences(ours, ours | {"model": ours["model"].partition("+")[0]}) == []
    assert len(differences(ours, ours | {"model": digest(b"code", [])})) == 1
