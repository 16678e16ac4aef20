"""The files of a folder that may be shipped: those git tracks or none ignores, and included ones.

Secrets are not checked here: see shipping.py. A place is a path below the folder, with slashes.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pathspec import GitIgnoreSpec

from orchestrator.jobs.git_tree import Tree, tree

_NEVER = GitIgnoreSpec.from_lines(
    ["/runs/", ".git", ".venv/", "venv/", "node_modules/", "__pycache__/", "*.pyc", ".*_cache/"]
)
_IGNORE_FILES = (".gitignore", ".rayignore")
UNTRACKED, IGNORED = "git does not track it", "an ignore file names it"


@dataclass(frozen=True, slots=True)
class Candidates:
    """The files of a folder that may be shipped.

    places: places of the files.
    left_out: place -> why it is left out; a folder's place ends in a slash.
    by_git: whether git listed the files.
    """

    places: list[str]
    left_out: dict[str, str]
    by_git: bool


@dataclass(frozen=True, slots=True)
class Included:
    """The files that the user includes although they would be left out."""

    folder: Path
    paths: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    _spec: GitIgnoreSpec = field(default_factory=lambda: GitIgnoreSpec.from_lines([]))

    @classmethod
    def of(cls, folder: Path, texts: Iterable[str]) -> "Included":
        """Take texts as paths below `folder` if they exist, otherwise as .gitignore patterns.

        Raises:
          ValueError: a path is not below `folder`.
        """
        paths, patterns = [], []
        for text in texts:
            path = Path(os.path.normpath(folder / Path(text).expanduser()))
            if text.strip() in ("", "."):
                raise ValueError(f"--include {text!r} names no file of {folder}")
            if not path.is_relative_to(folder):
                raise ValueError(f"--include {text} is not in {folder}, the folder that is shipped")
            if os.path.lexists(path):
                paths.append(path.relative_to(folder).as_posix())
            else:
                patterns.append(text)
        spec = GitIgnoreSpec.from_lines(patterns)
        return cls(folder, frozenset(paths), tuple(patterns), spec)

    def names(self, place: str) -> bool:
        """Return whether a file is included by its exact path."""
        return place in self.paths

    def holds(self, place: str) -> bool:
        """Return whether a file, its folder, or a pattern that matches it is included."""
        return self.is_below(place) or self._spec.match_file(place)

    def is_below(self, place: str) -> bool:
        """Return whether a file, or a folder that it is in, is included by its path."""
        parts = place.split("/")
        return any("/".join(parts[:n]) in self.paths for n in range(1, len(parts) + 1))

    def check(self, places: Iterable[str]) -> None:
        """Raise ValueError if a path or a pattern matches none of the places."""
        files = list(places)
        for path in self.paths:
            if not any(place == path or place.startswith(f"{path}/") for place in files):
                raise ValueError(f"--include {path} holds no file that can be read")
        for pattern in self.patterns:
            spec = GitIgnoreSpec.from_lines([pattern])
            if not any(map(spec.match_file, files)):
                raise ValueError(f"--include {pattern} names no file of {self.folder}")


def candidates(folder: Path, included: Included) -> Candidates:
    """List the files of a resolved folder that may be shipped.

    Raises:
      OSError: the folder cannot be read.
      ValueError: git cannot read it, or an included file does not exist.
    """
    left_out: dict[str, str] = {}
    git_tree = tree(folder)
    walk = _Walk(folder, included, left_out)
    places = list(walk.all() if git_tree is None else _tracked(folder, git_tree, left_out))
    if included.paths or included.patterns:
        named = list(_named(folder, included))
        included.check([*places, *named])
        places = sorted({*places, *named})
        left_out = {place: why for place, why in left_out.items() if place not in set(named)}
    return Candidates(places, left_out, git_tree is not None)


def _tracked(folder: Path, git_tree: Tree, left_out: dict[str, str]) -> Iterator[str]:
    """Yield existing files that git tracks; files behind links also under the link's name."""
    left_out |= dict.fromkeys(git_tree.untracked, UNTRACKED)
    left_out |= {place: IGNORED for place in git_tree.ignored if not _NEVER.match_file(place)}
    ignored = _RayIgnored(folder)
    tracked = set(git_tree.tracked)
    for place in git_tree.tracked:
        path = folder / place
        if ignored.holds(place):
            left_out[place] = IGNORED
        elif path.is_file():
            yield place
        elif path.is_symlink() and path.is_dir():
            target = Path(os.path.realpath(path))
            if not target.is_relative_to(folder):
                left_out[f"{place}/"] = out_of(target)
                continue
            below = target.relative_to(folder).as_posix() + "/"
            yield from (
                f"{place}/{file.removeprefix(below)}"
                for file in sorted(tracked)
                if file.startswith(below) and (folder / file).is_file()
            )
        elif path.is_symlink():
            left_out[place] = "a link to nothing"


def out_of(target: Path) -> str:
    """Return why a link out of the folder is not followed."""
    return f"a link out of the folder, to {target}"


def _named(folder: Path, included: Included) -> Iterator[str]:
    """Yield all included files, also those behind an included link."""
    roots = [folder, *(folder / path for path in included.paths if (folder / path).is_symlink())]
    for root in roots:
        for base, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name != ".git"]
            for name in files:
                place = Path(base, name).relative_to(folder).as_posix()
                if included.holds(place) and Path(base, name).is_file():
                    yield place
        if root != folder and root.is_file():
            yield root.relative_to(folder).as_posix()


class _RayIgnored:
    """The .rayignore files of a folder, each for the files beside and below it."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._specs: dict[str, list[GitIgnoreSpec]] = {}

    def holds(self, place: str) -> bool:
        parts = place.split("/")
        for number in range(len(parts)):
            below = "/".join(parts[:number])
            if below not in self._specs:
                self._specs[below] = _specs(self._folder / below, (".rayignore",))
            rest = "/".join(parts[number:])
            if any(spec.match_file(rest) for spec in self._specs[below]):
                return True
        return False


@dataclass(frozen=True, slots=True)
class _Ignored:
    """An ignore file and its location.

    below: place of its folder, if it is in the shipped folder.
    way: path from its folder to the shipped one, if it is above.
    """

    spec: GitIgnoreSpec
    below: str = ""
    way: str = ""


def _ignored_above(folder: Path) -> list[_Ignored]:
    """Read the ignore files of the folders above, up to the root of the repository."""
    parents = [folder, *folder.parents]
    roots = [number for number, parent in enumerate(parents) if (parent / ".git").exists()]
    if not roots or roots[0] == 0:
        return []
    ignored: list[_Ignored] = []
    for parent in reversed(parents[1 : roots[0] + 1]):
        way = folder.relative_to(parent).as_posix()
        ignored += [_Ignored(spec, way=f"{way}/") for spec in _specs(parent)]
    return ignored


def _specs(folder: Path, names: tuple[str, ...] = _IGNORE_FILES) -> list[GitIgnoreSpec]:
    files = [folder / name for name in names if (folder / name).is_file()]
    return [
        GitIgnoreSpec.from_lines(file.read_text(errors="replace").splitlines()) for file in files
    ]


class _Walk:
    """The files of a folder that no ignore file names; links are followed within it."""

    def __init__(self, folder: Path, included: Included, left_out: dict[str, str]):
        self._folder, self._included, self._left_out = folder, included, left_out

    def all(self) -> Iterator[str]:
        """Yield the places of the files; record why others are left out."""
        return self._below(self._folder, "", _ignored_above(self._folder), frozenset())

    def _below(
        self, folder: Path, below: str, ignored: list[_Ignored], above: frozenset[object]
    ) -> Iterator[str]:
        """Yield the files of `folder`, whose place is `below`.

        Args:
          ignored: the ignore files of this folder's parents.
          above: device and inode of the folders above; a link back to one ends the walk.
        """
        stat = folder.stat()
        identity = (stat.st_dev, stat.st_ino)
        if identity in above or (folder / "pyvenv.cfg").is_file():
            return
        above |= {identity}
        ignored = [*ignored, *(_Ignored(spec, below) for spec in _specs(folder))]
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            place = below + entry.name
            if not os.path.isdir(entry.path):
                if self._takes(entry, place, ignored):
                    yield place
            elif self._takes(entry, f"{place}/", ignored):
                yield from self._below(Path(entry.path), f"{place}/", ignored, above)

    def _takes(self, entry: os.DirEntry[str], place: str, ignored: list[_Ignored]) -> bool:
        why = ""
        if _NEVER.match_file(place):
            return False
        if _skips(ignored, place):
            why = IGNORED
        elif entry.is_symlink():
            target = Path(os.path.realpath(entry.path))
            if not target.exists():
                why = "a link to nothing"
            elif not target.is_relative_to(self._folder):
                why = out_of(target)
        elif not os.path.isdir(entry.path) and not os.path.isfile(entry.path):
            why = "no file and no folder"
        if why:
            self._left_out[place] = why
        return not why


def _skips(ignored: list[_Ignored], place: str) -> bool:
    return any(file.spec.match_file(file.way + place.removeprefix(file.below)) for file in ignored)
