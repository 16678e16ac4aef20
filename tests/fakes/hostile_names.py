"""Names that a console, matplotlib, a browser or a metric would obey, if it were let."""

NAMES = {
    "square brackets": "[/x] [red]run[/red] [link=x]",
    "a formula": r"$\undefinedmacro{a}$",
    "two dollars": "from $5 to $10",
    "one dollar": r"a $\frac{",
    "backslashes": r"C:\new\table \ \\ \$",
    "angle brackets": "</svg><script>alert(1)</script><b>&lt;",
    "quotes": "\"double\" 'single' `back`",
    "braces": "{{ 7 * 7 }} {% endfor %} {0} %s",
    "a newline": "first\nsecond\r\nthird",
    "a tab": "left\tright",
    "terminal escapes": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J",
    "right to left": "abc\u202edcba\u202c \u2066isolate\u2069 \u200f",
    "NUL": "a\x00b",
    "very long": "long " * 2000,
    "umlauts": "café größe",
    "another script": "日本語 עברית عربى",
    "emoji": "run 😀 :smile:",
    "blank": " ",
    "a leading dash": "--rm -rf",
}
#: What no output may hold: everything else is letters.
OBEYED = "\x00\x07\x1b\x7f\x9b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def obeyed_in(text):
    """Characters of `text` that a reader would obey."""
    return sorted(set(text) & set(OBEYED))
