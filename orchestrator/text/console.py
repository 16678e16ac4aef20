"""A console that shows text as it is, without interpreting markup or control characters."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.text.lasting_console import silence
from orchestrator.text.plain_text import encodable, printable


class Console(RichConsole):
    r"""Rich's console, which prints a string as one line of plain characters.

    Square brackets are not markup, and colons not emoji. Escape codes, newlines, characters that
    change the text direction, and characters that the terminal's encoding lacks are escaped.
    Several lines are several arguments: `print(first, second, sep="\n")`.
    """

    def __init__(self, **options: Any):
        super().__init__(
            **{"soft_wrap": True} | options, markup=False, emoji=False, highlight=False
        )

    def on_broken_pipe(self) -> None:
        """Fall silent where the reader has closed the pipe; rich would end the process."""
        self.quiet = True
        silence(self.file)

    def render_str(self, text: str, **how: Any) -> Text:
        """Render a string for a line or a cell, escaped."""
        how |= {"markup": False, "emoji": False, "highlight": False, "highlighter": None}
        return super().render_str(encodable(printable(text), self.encoding), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render segments, and escape also those that a library made of a string."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                shown = encodable(printable(segment.text, keep="\n"), self.encoding)
                yield Segment(shown, segment.style)


def plain(text: str) -> Text:
    """Make escaped text for rich's widgets, which take a string as markup."""
    return Text(printable(text))
