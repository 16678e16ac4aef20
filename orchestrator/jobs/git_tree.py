"""What git tracks in a folder, as git itself says."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Settings of a repository that have git run programs, or look at another one.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.quotepath=false")
_LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Tree:
    """Places below a folder, with slashes; folders of which git tracks nothing end in one.

    tracked: files, and links as they are. untracked, ignored: what else there is.
    """

    tracked: list[str]
    untracked: list[str]
    ignored: list[str]


def tree(folder: Path) -> Tree | None:
    """What git says of `folder`; None where it is in no work tree, or there is no git.

    Raises:
      ValueError: it is in one, and git cannot read it.
    """
    if not any((each / ".git").exists() for each in (folder, *folder.parents)):
        return None
    try:
        inside = _git(folder, "rev-parse", "--is-inside-work-tree")
    except FileNotFoundError:
        return None
    if inside.returncode:
        why = inside.stderr.decode(errors="replace").strip().partition("\n")[0]
        if "not a git repository" in why:
            return None
        raise ValueError(
            f"{folder} is in a work tree that git does not read ({why}); mend that, or give a "
            "--working-dir that is in none"
        )
    if inside.stdout.strip() != b"true":
        return None
    rest = ("--others", "--exclude-standard", "--directory", "--no-empty-directory")
    return Tree(
        tracked=_listed(folder, "--cached", "--recurse-submodules"),
        untracked=_listed(folder, *rest),
        ignored=_listed(folder, *rest, "--ignored"),
    )


def _listed(folder: Path, *options: str) -> list[str]:
    found = _git(folder, "ls-files", "-z", *options)
    if found.returncode:
        why = found.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise ValueError(f"git does not say what it tracks in {folder}: {why}; mend that")
    return sorted({os.fsdecode(name) for name in found.stdout.split(b"\0") if name})


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Of the repository that `folder` is in, not of one that the environment names."""
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    return subprocess.run(
        ["git", *_SAFE, "-C", str(folder), *words],
        env=environment | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_LIMIT_S,
        check=False,
    )
