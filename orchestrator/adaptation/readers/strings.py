"""Texts from memory."""

from collections.abc import Mapping
from typing import Any

_EXAMPLE = 'give a list of texts, such as ["one", "another"]'


def named_texts(texts: Any) -> dict[str, str]:
    """Return name -> text for a sequence of texts; errors use the names.

    Raises:
      ValueError: it is not a sequence, holds no text, or one that is empty or not valid Unicode.
    """
    if isinstance(texts, str | bytes):
        raise ValueError(f"inputs are {texts[:40]!r}, a single text; {_EXAMPLE}")
    if isinstance(texts, Mapping) or hasattr(texts, "columns"):
        raise ValueError(f"inputs are columns by name, not texts; {_EXAMPLE}")
    try:
        items = list(texts)
    except TypeError:
        raise ValueError(f"inputs are {texts!r}, not texts; {_EXAMPLE}") from None
    if not items:
        raise ValueError(f"inputs hold no text; {_EXAMPLE}")
    return {f"inputs[{row}]": _checked(f"inputs[{row}]", text) for row, text in enumerate(items)}


def _checked(where: str, text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{where} is {text!r}; texts are needed, none of them empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])
        raise ValueError(
            f"{where} holds {half}, half of a character; read the text as UTF-8 again"
        ) from None
    return str(text)
