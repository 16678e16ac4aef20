"""Escaping a user's text for places that interpret more than its letters.

Names of runs, files and classes, texts, columns, environments, and texts of another run's files
are shown as they are, and never interpreted: `printable` is for people (a console, a picture, a
page), `label` for machines (an actor's name, a tag of a metric).
"""

import hashlib
import re
from urllib.parse import quote

# Control characters, line and paragraph separators, lone surrogates (bytes that are not UTF-8, as
# Python decodes them), and characters that change the text direction.
_UNSAFE_CHARACTERS = (
    "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
)
_UNSAFE = re.compile(f"[{_UNSAFE_CHARACTERS}]")
_LABEL_LENGTH, _FILE_BYTES = 100, 200
_PLAINER = str.maketrans(
    {"±": "+-", "→": "->", "…": "...", "✓": "+", "✗": "x", "·": "-", "–": "-", "\u2009": " "}
)


def printable(text: str, keep: str = "") -> str:
    r"""Escape characters that a reader would not show but act on: "\n", "\x1b", "\u202e".

    Args:
      keep: characters that are not escaped, such as "\n" to keep lines.

    Example:

        printable("red\x1b[31m") == r"red\x1b[31m"
    """
    return _UNSAFE.sub(lambda match: _escaped(match[0], keep), text)


def encodable(text: str, encoding: str) -> str:
    """Replace metatrain's own signs by plain ones and escape others that `encoding` lacks."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plainer = text.translate(_PLAINER)
        return plainer.encode(encoding, "backslashreplace").decode(encoding)
    return text


def label(text: str) -> str:
    """Make a name in ASCII of at most 100 characters, distinct for distinct texts, never empty.

    Example:

        label("café 1") == "caf%C3%A9%201"
    """
    plain = quote(text, safe="", errors="surrogatepass") or "run"
    if len(plain) <= _LABEL_LENGTH:
        return plain
    return f"{plain[: _LABEL_LENGTH - 9]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def file_name(text: str) -> str:
    """Make a name for a file or a folder: `text`, without characters special to shells or paths.

    Example:

        file_name("../a/b") == "a-b"
    """
    plain = printable(text).replace("/", "-").lstrip(".-~ ").rstrip()
    return plain.encode()[:_FILE_BYTES].decode(errors="ignore") or "run"


def shortened(text: str, most: int) -> str:
    """Shorten `text` to at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _escaped(character: str, keep: str) -> str:
    return character if character in keep else character.encode("unicode_escape").decode()


def readable_size(num_bytes: int) -> str:
    """Format a size, such as 12.3 MB."""
    size, units = float(num_bytes), ["B", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.3g} {units[0]}"
