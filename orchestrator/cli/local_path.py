"""Options that are paths on this machine: URIs and empty words are refused."""

from pathlib import Path

import typer

from orchestrator.text.redact import redact_word


def local_path(text: str) -> Path:
    """Parse a path. `Path` alone would read s3://bucket as the local path s3:/bucket.

    Raises:
      BadParameter: the word is a URI or empty; the message shows no secret.
    """
    if text.lower().startswith("file://"):
        raise typer.BadParameter(f"{redact_word(text)} is a URI; give only its path")
    if "://" in text:
        raise typer.BadParameter(
            f"{redact_word(text)} is a URI; give a file on this machine, and copy it afterwards"
        )
    if not text:
        raise typer.BadParameter("'' names no file; give a path")
    return Path(text)
