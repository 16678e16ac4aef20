"""Text of a user's for places that read more into a text than its letters.

Names of runs, files and classes, texts, columns, environments, and what another run's file says of
itself are shown as they are, and never obeyed: `printable` for people (a console, a picture, a
page), `label` for machines (an actor's name, a tag of a metric).
"""

import hashlib
import re
from urllib.parse import quote

# Control characters of both kinds, line and paragraph separators, halves of characters (what Python
# makes of bytes that are no UTF-8), and what turns the direction of the text around it.
_OBEYED = "\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[{_OBEYED}]")
_LABEL_LENGTH, _FILE_BYTES = 100, 200
_PLAINER = str.maketrans(
    {"±": "+-", "→": "->", "…": "...", "✓": "+", "✗": "x", "·": "-", "–": "-", "\u2009": " "}
)


def printable(text: str, keep: str = "") -> str:
    r"""`text` with whatever a reader would obey, and not show, written out: "\n", "\x1b", "\u202e".

    Args:
      keep: characters that are left as they are, such as "\n" where lines are wanted.

    Example:

        printable("red\x1b[31m") == r"red\x1b[31m"
    """
    return _UNSAFE.sub(lambda found: _written_out(found[0], keep), text)


def encodable(text: str, encoding: str) -> str:
    """`text` with what `encoding` does not have written out, and signs of ours in plainer ones."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plainer = text.translate(_PLAINER)
        return plainer.encode(encoding, "backslashreplace").decode(encoding)
    return text


def label(text: str) -> str:
    """A name in ASCII, of 100 characters at most: others for other texts, never empty.

    Example:

        label("café 1") == "caf%C3%A9%201"
    """
    plain = quote(text, safe="", errors="surrogatepass") or "run"
    if len(plain) <= _LABEL_LENGTH:
        return plain
    return f"{plain[: _LABEL_LENGTH - 9]}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"


def file_name(text: str) -> str:
    """A name for a file or a folder: `text`, unless file systems or shells see more in it.

    Example:

        file_name("../a/b") == "a-b"
    """
    plain = printable(text).replace("/", "-").lstrip(".-~ ").rstrip()
    return plain.encode()[:_FILE_BYTES].decode(errors="ignore") or "run"


def shortened(text: str, most: int) -> str:
    """`text`, or so much of its beginning as `most` characters have room for."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _written_out(character: str, keep: str) -> str:
    return character if character in keep else character.encode("unicode_escape").decode()
