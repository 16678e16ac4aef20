"""Debian's Chromium without a window, and what a page does in it."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

SIZES = {"desktop": {"width": 1200, "height": 900}, "phone": {"width": 390, "height": 844}}
_NAMES = ("chromium", "chromium-browser", "google-chrome")

# The contrast of each text with what lies behind it, as WCAG 2 defines it.
_CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const known = {};
  const drawn = color => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const rgba = color => known[color] ??= drawn(color);
  const luminance = color => {
    const [r, g, b] = [...rgba(color)].slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (rgba(color)[3] > 0) return color;
    }
    return 'white';
  };
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    const text = [...element.childNodes].filter(n => n.nodeType == 3).map(n => n.data).join('');
    if (!text.trim() || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const color = element instanceof SVGElement ? style.fill : style.color;
    const [one, other] = [luminance(color), luminance(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push([ratio, text.trim()]);
  }
  return found;
}"""


@dataclass
class Seen:
    """A page that is open. errors: of its console and its scripts. requests: all but its file."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What is to be read."""
        return self.page.inner_text("body")

    def sizes(self, selector: str) -> list[tuple[float, float]]:
        """Width and height of each such element, in pixels."""
        boxes = [element.bounding_box() for element in self.page.query_selector_all(selector)]
        return [(box["width"], box["height"]) for box in boxes]

    def show(self, size: str, scheme: str) -> None:
        """The same page in a window of another size, on a light or a dark desktop."""
        self.page.set_viewport_size(SIZES[size])
        self.page.emulate_media(color_scheme=scheme)

    def overflow(self) -> float:
        """By how many pixels the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")

    def contrasts(self) -> list[tuple[float, str]]:
        """Of each piece of text that can be seen, and the text."""
        return [tuple(found) for found in self.page.evaluate(_CONTRASTS)]


class Browser:
    """Opens files and URLs."""

    def __init__(self, chromium: Any):
        self._chromium = chromium

    @contextlib.contextmanager
    def open(
        self, file: Path | str, size: str = "desktop", scheme: str = "light"
    ) -> Iterator[Seen]:
        """The page in `file`, or at a URL, in a window of that size, on a light or dark desktop."""
        context = self._chromium.new_context(viewport=SIZES[size], color_scheme=scheme)
        try:
            seen = Seen(context.new_page())
            url = file if isinstance(file, str) else file.as_uri()
            seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
            seen.page.on(
                "console",
                lambda message: message.type == "error" and seen.errors.append(message.text),
            )
            seen.page.on(
                "request",
                lambda request: (
                    request.url in (url,)
                    or request.url.startswith("data:")
                    or seen.requests.append(request.url)
                ),
            )
            seen.page.goto(url)
            yield seen
        finally:
            context.close()


@contextlib.contextmanager
def started() -> Iterator[Browser]:
    """Chromium; the test is skipped where there is none."""
    there = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if there is None:
        pytest.skip(f"no {_NAMES[0]} is installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=there, args=["--no-sandbox"])
        try:
            yield Browser(chromium)
        finally:
            chromium.close()
