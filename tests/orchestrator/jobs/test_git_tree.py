"""What git says of a folder that is shipped."""

import pytest

from orchestrator.jobs import git_tree


def test_a_git_that_is_too_slow_is_a_line_that_names_the_working_dir(tmp_path, monkeypatch):
    (tmp_path / "work" / ".git").mkdir(parents=True)
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(git_tree, "_LIMIT_S", 0.2)
    with pytest.raises(ValueError, match=r"within 0\.2 s; .*--working-dir") as raised:
        git_tree.tree(tmp_path / "work")
    assert "\n" not in str(raised.value)
