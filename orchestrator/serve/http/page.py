"""The service's own page, on which one drops examples into classes and asks."""

import functools
from pathlib import Path

#: The page loads nothing from elsewhere, and is shown in no other page.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
#: Path -> file and type.
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


@functools.cache
def content_of(name: str) -> bytes:
    """Return a file of the page."""
    return (Path(__file__).parent / "page_files" / name).read_bytes()
