"""The files that git tracks in a folder, as git lists them."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Override settings of a repository that make git run programs or change its output.
_SAFE = ("-c", "core.fsmonitor=false", "-c", "core.quotepath=false")
_LIMIT_S = 120


@dataclass(frozen=True, slots=True)
class Tree:
    """Places below a folder, with slashes; a folder of which git tracks nothing ends in one.

    tracked: files, and links, which are not followed.
    untracked, ignored: the other files and folders.
    """

    tracked: list[str]
    untracked: list[str]
    ignored: list[str]


def tree(folder: Path) -> Tree | None:
    """List the files of `folder` by git; None outside a work tree, or without git.

    Raises:
      ValueError: git cannot read the work tree, or takes too long.
    """
    if not any((parent / ".git").exists() for parent in (folder, *folder.parents)):
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
            f"{folder} is in a work tree that git cannot read ({why}); repair it, or give a "
            "--working-dir outside a work tree"
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
    listing = _git(folder, "ls-files", "-z", *options)
    if listing.returncode:
        why = listing.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise ValueError(f"git cannot list the files that it tracks in {folder}: {why}; repair it")
    return sorted({os.fsdecode(name) for name in listing.stdout.split(b"\0") if name})


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run git on the repository that holds `folder`, not on one that the environment names.

    Raises:
      ValueError: it takes too long.
    """
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    try:
        return subprocess.run(
            ["git", *_SAFE, "-C", str(folder), *words],
            env=environment | {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"git {words[0]} in {folder} has not ended within {_LIMIT_S:g} s; try again, or give a "
            "--working-dir that is smaller or on a faster disk"
        ) from None
