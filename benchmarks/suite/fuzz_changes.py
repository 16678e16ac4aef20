"""Changes by which fuzz.py damages a file."""

from collections.abc import Callable

import numpy as np

_TOKENS = [
    b"nan", b"-inf", b"1e400", b"-1", b"0", b"99999999999999999999999", b"true", b"null", b"{}",
    b"[]", b'""', b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "é\u202e😀".encode(), b"$x$", b"[/b]",
    b"<b>", b"\x1b[31m", b"../../x", b"\n", b"\r\n", b";", b"\t", b'"', b"'", b"%s", b"[" * 2000,
]  # fmt: skip


def change(rng: np.random.Generator, content: bytes) -> bytes:
    """Make one to three changes."""
    for _ in range(int(rng.integers(1, 4))):
        content = _CHANGES[rng.integers(len(_CHANGES))](rng, content)
    return content


def _place(rng: np.random.Generator, content: bytes) -> int:
    return int(rng.integers(len(content) + 1))


def _flip(rng: np.random.Generator, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _cut(rng: np.random.Generator, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _drop(rng: np.random.Generator, content: bytes) -> bytes:
    lo, hi = sorted((_place(rng, content), _place(rng, content)))
    return content[:lo] + content[min(hi, lo + 64) :]


def _repeat(rng: np.random.Generator, content: bytes) -> bytes:
    lo, hi = sorted((_place(rng, content), _place(rng, content)))
    return content[:hi] + content[lo:hi] * int(rng.integers(1, 20)) + content[hi:]


def _insert(rng: np.random.Generator, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + _TOKENS[rng.integers(len(_TOKENS))] + content[at:]


def _replace_word(rng: np.random.Generator, content: bytes) -> bytes:
    """Replace a number or a name of a text, or some bytes of another file."""
    words = content.replace(b",", b" ").replace(b"=", b" ").split()
    if not words:
        return content
    word = words[rng.integers(len(words))]
    at = content.find(word, _place(rng, content))
    at = content.find(word) if at < 0 else at
    return content[:at] + _TOKENS[rng.integers(len(_TOKENS))] + content[at + len(word) :]


def _swap_lines(rng: np.random.Generator, content: bytes) -> bytes:
    lines = content.split(b"\n")
    one, two = rng.integers(len(lines), size=2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def _empty(rng: np.random.Generator, content: bytes) -> bytes:
    return b"" if rng.random() < 0.2 else content


_CHANGES: list[Callable[[np.random.Generator, bytes], bytes]] = [
    _flip, _cut, _drop, _repeat, _insert, _insert, _replace_word, _replace_word, _swap_lines,
    _empty,
]  # fmt: skip
