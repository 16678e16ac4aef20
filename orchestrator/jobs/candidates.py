"""What of a folder may be shipped: what git tracks, or no ignore file names; and what is named.

Whether it is a secret is not asked here: see shipping.py.
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
    """places: of files, with slashes. left_out: place, of a folder with a slash -> why.

    by_git: whether git said what is code.
    """

    places: list[str]
    left_out: dict[str, str]
    by_git: bool


@dataclass(frozen=True, slots=True)
class Included:
    """What the user named, that is sent though it would not be."""

    folder: Path
    paths: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    _spec: GitIgnoreSpec = field(default_factory=lambda: GitIgnoreSpec.from_lines([]))

    @classmethod
    def of(cls, folder: Path, given: Iterable[str]) -> "Included":
        """Paths below `folder` where there are such, otherwise patterns as in .gitignore.

        Raises:
          ValueError: a path is not below it.
        """
        paths, patterns = [], []
        for text in given:
            path = Path(os.path.normpath(folder / Path(text).expanduser()))
            if text.strip() in ("", "."):
                raise ValueError(f"--include {text!r} names no file of {folder}")
            if not path.is_relative_to(folder):
                raise ValueError(f"--include {text} is not in {folder}, which is what is shipped")
            if os.path.lexists(path):
                paths.append(path.relative_to(folder).as_posix())
            else:
                patterns.append(text)
        spec = GitIgnoreSpec.from_lines(patterns)
        return cls(folder, frozenset(paths), tuple(patterns), spec)

    def names(self, place: str) -> bool:
        """Whether it is named by its very path."""
        return place in self.paths

    def holds(self, place: str) -> bool:
        """Whether it is named, its folder is, or a pattern takes it."""
        return self.is_below(place) or self._spec.match_file(place)

    def is_below(self, place: str) -> bool:
        """Whether it, or a folder that it is in, is named."""
        parts = place.split("/")
        return any("/".join(parts[:n]) in self.paths for n in range(1, len(parts) + 1))

    def check(self, places: Iterable[str]) -> None:
        """Raises ValueError if something was named that there is not."""
        found = list(places)
        for path in self.paths:
            if not any(place == path or place.startswith(f"{path}/") for place in found):
                raise ValueError(f"--include {path} holds no file that can be read")
        for pattern in self.patterns:
            spec = GitIgnoreSpec.from_lines([pattern])
            if not any(map(spec.match_file, found)):
                raise ValueError(f"--include {pattern} names no file of {self.folder}")


def candidates(folder: Path, included: Included) -> Candidates:
    """What may be shipped of a folder, which is resolved.

    Raises:
      OSError: it cannot be read. ValueError: git cannot read it, or a name is not there.
    """
    left_out: dict[str, str] = {}
    known = tree(folder)
    walk = _Walk(folder, included, left_out)
    places = list(walk.all() if known is None else _tracked(folder, known, left_out))
    if included.paths or included.patterns:
        named = list(_named(folder, included))
        included.check([*places, *named])
        places = sorted({*places, *named})
        left_out = {place: why for place, why in left_out.items() if place not in set(named)}
    return Candidates(places, left_out, known is not None)


def _tracked(folder: Path, known: Tree, left_out: dict[str, str]) -> Iterator[str]:
    """Files that git tracks and that are there; those behind links, under the link's name too."""
    left_out |= dict.fromkeys(known.untracked, UNTRACKED)
    left_out |= {place: IGNORED for place in known.ignored if not _NEVER.match_file(place)}
    ignored = _RayIgnored(folder)
    tracked = set(known.tracked)
    for place in known.tracked:
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
                f"{place}/{each.removeprefix(below)}"
                for each in sorted(tracked)
                if each.startswith(below) and (folder / each).is_file()
            )
        elif path.is_symlink():
            left_out[place] = "a link to nothing"


def out_of(target: Path) -> str:
    """Why a link is not followed."""
    return f"a link out of the folder, to {target}"


def _named(folder: Path, included: Included) -> Iterator[str]:
    """All files that were named, also behind a link that was."""
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
    """Whether a .rayignore names a file, beside it or in a folder above."""

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
    """An ignore file, and where it lies: in `below`, or so that `way` leads to what is shipped."""

    spec: GitIgnoreSpec
    below: str = ""
    way: str = ""


def _ignored_above(folder: Path) -> list[_Ignored]:
    """The ignore files of the folders above, up to the root of the repository."""
    parents = [folder, *folder.parents]
    roots = [number for number, parent in enumerate(parents) if (parent / ".git").exists()]
    if not roots or roots[0] == 0:
        return []
    found: list[_Ignored] = []
    for parent in reversed(parents[1 : roots[0] + 1]):
        way = folder.relative_to(parent).as_posix()
        found += [_Ignored(spec, way=f"{way}/") for spec in _specs(parent)]
    return found


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
        """Their places; why others are left out is written down."""
        return self._below(self._folder, "", _ignored_above(self._folder), frozenset())

    def _below(
        self, folder: Path, below: str, ignored: list[_Ignored], above: frozenset[object]
    ) -> Iterator[str]:
        """Files of `folder`, whose place is `below`.

        Args:
          ignored: the ignore files of this folder's parents.
          above: the identities of the folders on the way here: links may lead in circles.
        """
        seen = folder.stat()
        identity = (seen.st_dev, seen.st_ino)
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
    return any(each.spec.match_file(each.way + place.removeprefix(each.below)) for each in ignored)
