"""The protocol that a command prints below its numbers."""

import re


def protocol_in(output: str) -> dict[str, str]:
    """Its rows: the last one's, if several stand in `output`."""
    _, _, told = output.rpartition("protocol:\n")
    lines = [re.fullmatch(r"  (\S.*?)  +(\S.*)", line) for line in told.splitlines()]
    return {line[1]: line[2] for line in lines if line}
