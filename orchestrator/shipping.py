"""What of a folder is shipped with a job: chosen as git and Ray choose, measured, packed.

The archive is made here rather than by Ray, so that what was checked is what is sent.
"""

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

#: Ray's dashboard takes requests of up to 100 MiB (DASHBOARD_CLIENT_MAX_SIZE in its
#: _private/ray_constants.py), and refuses a larger one only after it has been sent.
MOST_BYTES = 100_000_000
MOST_FILES = 20_000
_NEVER = GitIgnoreSpec.from_lines(
    ["/runs/", ".git", ".venv/", "venv/", "node_modules/", "__pycache__/", "*.pyc", ".*_cache/"]
)
# Where tokens and keys are kept by custom. They are never shipped, whatever the ignore files say.
_SECRETS = GitIgnoreSpec.from_lines(
    [
        *(".ray/", ".ssh/", ".aws/", ".azure/", ".kube/", ".gnupg/", ".docker/", ".config/"),
        *(".netrc", ".pypirc", ".env", ".env.*", "auth_token", "id_rsa", "id_ed25519"),
        *("*.pem", "*.key"),
    ]
)
_IGNORE_FILES = (".gitignore", ".rayignore")
_AN_ENTRY_BYTES = 256  # what a file costs in an archive beside its content
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive, which Ray has already


@dataclass(frozen=True, slots=True)
class Shipment:
    """The files of a folder that are shipped.

    files: place below the folder, with slashes -> size in bytes.
    """

    folder: Path
    files: Mapping[str, int]

    @property
    def num_bytes(self) -> int:
        """All of it, before compression."""
        return sum(size + _AN_ENTRY_BYTES for size in self.files.values())

    def holds(self, path: Path) -> bool:
        """Whether a file, or at least one file of a folder, is shipped."""
        try:
            name = path.relative_to(self.folder).as_posix()
        except ValueError:
            return False
        return name in self.files or any(file.startswith(f"{name}/") for file in self.files)

    def largest(self, number: int) -> list[tuple[str, int]]:
        """The entries of the folder that weigh most, and their bytes."""
        totals: dict[str, int] = {}
        for file, size in self.files.items():
            top, below, _ = file.partition("/")
            totals[top + below] = totals.get(top + below, 0) + size
        return sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))[:number]


@dataclass(frozen=True, slots=True)
class _Ignored:
    """An ignore file, and where it lies: in `below`, or so that `way` leads to what is shipped."""

    spec: GitIgnoreSpec
    below: str = ""
    way: str = ""


def choose(folder: Path) -> Shipment:
    """The files of `folder` but what .gitignore and .rayignore name, there or above.

    Nor runs, caches, environments, tokens and keys.

    Raises:
      ValueError: it cannot be read, or holds more than can be sent.
    """
    files: dict[str, int] = {}
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    token = Path(named).expanduser().resolve() if named else None
    try:
        for file, size in _walk(folder, "", _ignored_above(folder), frozenset()):
            _check_name(folder, file)
            if token is None or (folder / file).resolve() != token:
                files[file] = size
            if len(files) > MOST_FILES:
                raise ValueError(_too_much(f"more than {MOST_FILES} files", files, folder))
    except OSError as error:
        raise ValueError(
            f"{error.filename} is to be shipped and cannot be read: {error.strerror}; name it in "
            ".gitignore, or give another --working-dir"
        ) from None
    shipment = Shipment(folder, files)
    if shipment.num_bytes > MOST_BYTES:
        raise ValueError(_too_much(readable_size(shipment.num_bytes), files, folder))
    return shipment


def pack(shipment: Shipment, extra: Mapping[str, bytes], target: Path) -> None:
    """Write an archive of the shipment and of `extra`, which comes first where both have a name.

    Raises:
      ValueError: a file went away, or cannot be read.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*shipment.files, *extra}):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode, content = (0o644, extra[name]) if name in extra else _read(shipment.folder / name)
            entry.external_attr = (stat.S_IFREG | stat.S_IMODE(mode)) << 16
            archive.writestr(entry, content)


def readable_size(num_bytes: int) -> str:
    """For example 12.3 MB."""
    size, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"


def _check_name(folder: Path, file: str) -> None:
    try:
        file.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder} holds a file whose name is not UTF-8: {file!r}; rename it, or name it in "
            ".gitignore"
        ) from None


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


def _specs(folder: Path) -> list[GitIgnoreSpec]:
    files = [folder / name for name in _IGNORE_FILES if (folder / name).is_file()]
    return [
        GitIgnoreSpec.from_lines(file.read_text(errors="replace").splitlines()) for file in files
    ]


def _walk(
    folder: Path, below: str, ignored: list[_Ignored], above: frozenset[object]
) -> Iterator[tuple[str, int]]:
    """Files of `folder`, whose place is `below`; links are followed, but for circles.

    Args:
      ignored: the ignore files of this folder's parents.
      above: the identities of the folders on the way here.
    """
    seen = folder.stat()
    identity = (seen.st_dev, seen.st_ino)
    if identity in above or (folder / "pyvenv.cfg").is_file():
        return
    above |= {identity}
    ignored = [*ignored, *(_Ignored(spec, below) for spec in _specs(folder))]
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        place = below + entry.name
        if entry.is_dir():
            if not _skips(ignored, f"{place}/"):
                yield from _walk(Path(entry.path), f"{place}/", ignored, above)
        elif entry.is_file() and not _skips(ignored, place):
            if not os.access(entry.path, os.R_OK):
                raise PermissionError(13, "permission denied", entry.path)
            yield place, entry.stat().st_size


def _skips(ignored: list[_Ignored], place: str) -> bool:
    if _NEVER.match_file(place) or _SECRETS.match_file(place):
        return True
    return any(each.spec.match_file(each.way + place.removeprefix(each.below)) for each in ignored)


def _read(file: Path) -> tuple[int, bytes]:
    try:
        return file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be shipped: {error.strerror}") from None


def _too_much(what: str, files: Mapping[str, int], folder: Path) -> str:
    entries = Shipment(folder, files).largest(3)
    named = ", ".join(f"{name} ({readable_size(size)})" for name, size in entries)
    return (
        f"{folder} holds {what} to ship; at most {readable_size(MOST_BYTES)} in {MOST_FILES} files "
        f"can be sent; the largest: {named}. Name in .gitignore what the job does not need, give "
        "--working-dir a folder of code alone, or put data where the cluster's machines see it and "
        "name it by --set task.path=..."
    )
