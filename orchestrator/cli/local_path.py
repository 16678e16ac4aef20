"""A file on this machine, as it is typed: what only looks like a path is refused first."""

from pathlib import Path

import typer

from orchestrator.text.redact import redact_word


def local_path(text: str) -> Path:
    """The path that was typed. `Path` would make s3:/bucket of s3://bucket, and look for it here.

    Raises:
      BadParameter: it is a URI, or nothing; says so without its secrets.
    """
    if text.lower().startswith("file://"):
        raise typer.BadParameter(f"{redact_word(text)} is a URI; give its path alone")
    if "://" in text:
        raise typer.BadParameter(
            f"{redact_word(text)} is a URI; give a file on this machine, and copy it from there"
        )
    if not text:
        raise typer.BadParameter("'' names no file; give a path")
    return Path(text)
