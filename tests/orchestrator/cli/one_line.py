"""The check of a refusal by the command line."""

from shell_commands import snapshot


def assert_one_line_and_nothing_written(done, folder, before, expected):
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("metatrain: ")
    assert expected in lines[0]
    after = {name: seen for name, seen in snapshot(folder).items() if "cache" not in name}
    assert after == before
