"""Choosing the files of a folder that are shipped with a job, without secrets, and packing them.

The archive is made here rather than by Ray, so that exactly the checked files are sent.
"""

import os
import stat
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.jobs.candidates import Included, candidates, out_of
from orchestrator.jobs.secret_contents import secret_in_file
from orchestrator.jobs.secret_names import is_secret
from orchestrator.text.plain_text import readable_size

#: Ray's dashboard accepts requests of up to 100 MiB (DASHBOARD_CLIENT_MAX_SIZE in its
#: _private/ray_constants.py), and refuses a larger one only after it has been sent.
MOST_BYTES = 100_000_000
MOST_FILES = 20_000
#: Why a file with the name of a secret is left out.
SECRET = "secrets are kept under such a name"
_AN_ENTRY_BYTES = 256  # a file's overhead in an archive
_EPOCH = (1980, 1, 1, 0, 0, 0)  # fixed, so that Ray recognises an archive of the same files
# Environment variables that name files of secrets.
_NAMING = (
    *("RAY_AUTH_TOKEN_PATH", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_CONFIG_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "KUBECONFIG"),
    *("NETRC", "PGPASSFILE", "PIP_CONFIG_FILE", "NPM_CONFIG_USERCONFIG", "HF_TOKEN_PATH"),
    *("HISTFILE", "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"),
)


@dataclass(frozen=True, slots=True)
class Shipment:
    """The files of a folder that are shipped.

    files: place below the folder, with slashes -> size in bytes.
    left_out: place -> why it is left out; a folder's place ends in a slash.
    suspects: place of a file that seems to hold a secret -> kind of secret.
    """

    folder: Path
    files: Mapping[str, int]
    left_out: Mapping[str, str] = field(default_factory=dict)
    suspects: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Size of the archive before compression."""
        return sum(size + _AN_ENTRY_BYTES for size in self.files.values())

    def holds(self, path: Path) -> bool:
        """Return whether a file, or at least one file of a folder, is shipped."""
        try:
            name = path.relative_to(self.folder).as_posix()
        except ValueError:
            return False
        return name in self.files or any(file.startswith(f"{name}/") for file in self.files)

    def check(self) -> None:
        """Raise ValueError if a file seems to hold a secret."""
        if not self.suspects:
            return
        named = [f"{place} (it looks like {what})" for place, what in self.suspects.items()]
        more = f" and {len(named) - 3} more" if named[3:] else ""
        raise ValueError(
            f"these files are not sent to a cluster: {', '.join(named[:3])}{more}; remove the "
            "secret, name the file in .rayignore, or, if it holds none, give --include with its "
            "path"
        )

    def why_not(self, path: Path) -> str:
        """Return why a file or folder below the folder is left out; "" if unknown."""
        place = path.relative_to(self.folder).as_posix()
        reasons = [
            why
            for left, why in self.left_out.items()
            if place == left.rstrip("/") or (left.endswith("/") and place.startswith(left))
        ]
        return reasons[0] if reasons else ""

    def largest(self, number: int) -> list[tuple[str, int]]:
        """Return the largest entries of the folder, and their bytes."""
        totals: dict[str, int] = {}
        for file, size in self.files.items():
            top, below, _ = file.partition("/")
            totals[top + below] = totals.get(top + below, 0) + size
        return sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))[:number]


def choose(folder: Path, include: Iterable[str] = ()) -> Shipment:
    """Choose the files of `folder` that git tracks; outside a work tree, that none ignores.

    Files in places where secrets are usually kept, or links to such files, are left out.

    Args:
      include: paths and patterns of files to ship as well; a file that looks like a secret is
        shipped only if its exact path is given.
    Raises:
      ValueError: the folder cannot be read, or holds more than can be sent.
    """
    folder = Path(os.path.realpath(folder))
    try:
        return _choose(folder, Included.of(folder, include))
    except OSError as error:
        raise ValueError(
            f"{error.filename} cannot be read for shipping: {error.strerror}; name it in "
            ".gitignore, or give another --working-dir"
        ) from None


def _choose(folder: Path, included: Included) -> Shipment:
    possible = candidates(folder, included)
    left_out, files = dict(possible.left_out), dict[str, int]()
    named = _named_by_the_environment()
    for place in possible.places:
        if why := _objection(folder, place, included, named):
            left_out[place] = why
            continue
        _check_name(folder, place)
        if not os.access(folder / place, os.R_OK):
            raise PermissionError(13, "permission denied", str(folder / place))
        files[place] = (folder / place).stat().st_size
        if len(files) > MOST_FILES:
            raise ValueError(_too_much(f"more than {MOST_FILES} files", files, folder))
    shipment = Shipment(folder, files, left_out)
    if shipment.num_bytes > MOST_BYTES:
        raise ValueError(_too_much(readable_size(shipment.num_bytes), files, folder))
    secrets = {
        place: secret_in_file(folder / place) for place in files if not included.names(place)
    }
    suspects = {place: what for place, what in secrets.items() if what}
    return Shipment(folder, files, left_out, suspects)


def _objection(folder: Path, place: str, included: Included, named: Mapping[Path, str]) -> str:
    """Return why a file is not sent; "" if it may be."""
    if included.names(place):
        return ""
    target = Path(os.path.realpath(folder / place))
    inside = target.is_relative_to(folder)
    if not inside and not included.is_below(place):
        return out_of(target)
    if target in named:
        return f"{named[target]} names it: it holds secrets"
    where = target.relative_to(folder) if inside else target
    return SECRET if is_secret(place) or is_secret(where.as_posix()) else ""


def _named_by_the_environment() -> dict[Path, str]:
    """Map files of secrets to the environment variable that names each."""
    variables = {name: os.environ[name] for name in _NAMING if os.environ.get(name)}
    return {
        Path(os.path.realpath(os.path.expanduser(file))): name
        for name, value in variables.items()
        for file in value.split(os.pathsep)
    }


def pack(shipment: Shipment, extra: Mapping[str, bytes], target: Path) -> None:
    """Write an archive of the shipment and of `extra`, which wins where both have a name.

    Raises:
      ValueError: a file has disappeared, or cannot be read.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted({*shipment.files, *extra}):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode, content = (0o644, extra[name]) if name in extra else _read(shipment.folder / name)
            entry.external_attr = (stat.S_IFREG | stat.S_IMODE(mode)) << 16
            archive.writestr(entry, content)


def _check_name(folder: Path, file: str) -> None:
    try:
        file.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{folder} holds a file whose name is not UTF-8: {file!r}; rename it, or name it in "
            ".gitignore"
        ) from None


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
        f"can be sent; the largest: {named}. Name files that the job does not need in .gitignore "
        "(those that git tracks in .rayignore), give a --working-dir that holds only code, or put "
        "data where the cluster's machines can read it and set --set task.path=..."
    )
