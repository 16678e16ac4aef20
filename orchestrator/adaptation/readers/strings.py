"""Texts that are given in memory."""

from typing import Any

_EXAMPLE = 'give a list of texts, such as ["one", "another"]'


def named_texts(given: Any) -> dict[str, str]:
    """A sequence of texts, by what each is called in an error.

    Raises:
      ValueError: it is none, there is no text in it, or one that is empty or no Unicode.
    """
    if isinstance(given, str | bytes):
        raise ValueError(f"inputs are {given[:40]!r}, a single text; {_EXAMPLE}")
    try:
        texts = list(given)
    except TypeError:
        raise ValueError(f"inputs are {given!r}, no texts; {_EXAMPLE}") from None
    if not texts:
        raise ValueError(f"inputs hold no text; {_EXAMPLE}")
    return {f"inputs[{row}]": _checked(f"inputs[{row}]", text) for row, text in enumerate(texts)}


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
