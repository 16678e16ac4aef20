"""A terminal, or a file in its place, that shows text and obeys none of it."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from orchestrator.text.lasting_console import silence
from orchestrator.text.plain_text import encodable, printable


class Console(RichConsole):
    r"""Rich's, to which a string is one line of letters, whoever wrote it.

    Square brackets are no markup, colons no emoji; escape codes, newlines and what turns the
    direction of text are written out, and so is what the terminal's encoding does not have. Several
    lines are several arguments: `print(first, second, sep="\n")`.
    """

    def __init__(self, **options: Any):
        super().__init__(
            **{"soft_wrap": True} | options, markup=False, emoji=False, highlight=False
        )

    def on_broken_pipe(self) -> None:
        """Called by rich, whose own would end the process: nobody reads it any more."""
        self.quiet = True
        silence(self.file)

    def render_str(self, text: str, **how: Any) -> Text:
        """A string as it stands in a line or a cell."""
        how |= {"markup": False, "emoji": False, "highlight": False, "highlighter": None}
        return super().render_str(encodable(printable(text), self.encoding), **how)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The pieces that are written; those that a library made of a string are looked at too."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                shown = encodable(printable(segment.text, keep="\n"), self.encoding)
                yield Segment(shown, segment.style)


def plain(text: str) -> Text:
    """For rich's own widgets, which take a string for markup."""
    return Text(printable(text))
