"""The protocol that a command prints below its numbers."""

import re
from typing import Any


def protocol_in(output: str) -> dict[str, str]:
    """Its rows: the last one's, if several stand in `output`."""
    _, _, told = output.rpartition("protocol:\n")
    lines = [re.fullmatch(r"  (\S.*?)  +(\S.*)", line) for line in told.splitlines()]
    return {line[1]: line[2] for line in lines if line}


def keys_in(document: Any) -> set[str]:
    """The keys of all tables of a JSON document."""
    if isinstance(document, list):
        return set().union(*map(keys_in, document))
    if not isinstance(document, dict):
        return set()
    return set(document).union(*map(keys_in, document.values()))


def odd_keys(document: Any) -> list[str]:
    """Those that are not in snake_case."""
    return sorted(key for key in keys_in(document) if not re.fullmatch(r"[a-z][a-z0-9_]*", key))
