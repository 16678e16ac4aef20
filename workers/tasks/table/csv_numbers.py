"""Numbers with decimal commas or thousands separators, converted if their meaning is clear.

"0,5" in a file with semicolons is a half. "1,234" is ambiguous: the rest of the file decides. If it
does not, the column remains text, and is refused as such.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

Style = Literal["point", "comma", "either"]

_SPACE = "'\u2019\u00a0\u202f "
_EXPONENT = r"(?:[eE][-+]?\d+)?"
_POINT = re.compile(
    rf"[-+]?(?:\d*|\d{{1,3}}(?:,\d{{3}})+|\d{{1,3}}(?:[{_SPACE}]\d{{3}})+)(?:\.\d+)?{_EXPONENT}"
)
_COMMA = re.compile(
    rf"[-+]?(?:\d*|\d{{1,3}}(?:\.\d{{3}})+|\d{{1,3}}(?:[{_SPACE}]\d{{3}})+)(?:,\d+)?{_EXPONENT}"
)


def with_numbers(
    table: Any, separator: str, texts: Sequence[str], again: Callable[[Sequence[str]], Any]
) -> Any:
    """Convert the columns of such numbers.

    Args:
      separator: of cells.
      texts: columns to leave as they are.
      again: reads the file with more columns as texts.
    """
    import pyarrow as pa

    names = table.column_names
    if len(set(names)) < len(names):  # the caller refuses it
        return table
    open_columns = [name for name in names if name not in set(texts)]
    kinds = {name: table.schema.field(name).type for name in open_columns}
    cells = {
        name: numbers
        for name, kind in kinds.items()
        if pa.types.is_string(kind) and (numbers := _numbers(table.column(name))) is not None
    }
    if not cells:
        return table
    styles = {name: _style(numbers) for name, numbers in cells.items()}
    floats = [name for name, kind in kinds.items() if pa.types.is_floating(kind)]
    default = _resolve(set(styles.values()), separator, bool(floats))
    if default == "comma" and floats:  # 1.234 may have been a thousand
        as_texts = again(floats)
        for name in floats:
            numbers = _numbers(as_texts.column(name))
            if numbers is not None and _style(numbers) != "point":
                cells[name], styles[name] = numbers, "comma"
    for name, numbers in cells.items():
        style = styles[name] if styles[name] != "either" else default
        same = not any(sign in cell for cell in numbers if cell for sign in ",.")
        if same or style == "point" or (style == "comma" and separator != ","):
            column = pa.array([_number(cell, style) for cell in numbers], pa.float64())
            table = table.set_column(names.index(name), name, column)
    return table


def _numbers(column: Any) -> list[str | None] | None:
    """Return the cells, None for empty ones; None if a cell is not a number in any style."""
    from pyarrow import csv

    null_values = set(csv.ConvertOptions().null_values)
    cells: list[str | None] = []
    for chunk in column.chunks:
        for cell in chunk:
            value = cell.as_py()
            text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
            text = text.strip()
            if text in null_values:
                cells.append(None)
            elif any(map(str.isdigit, text)) and (_POINT.fullmatch(text) or _COMMA.fullmatch(text)):
                cells.append(text)
            else:
                return None
    return cells if any(cells) else None


def _style(cells: Sequence[str | None]) -> Style:
    """Determine the style of a column; cells like 1,234 alone may be either."""
    filled = [cell for cell in cells if cell]
    point, comma = (all(map(form.fullmatch, filled)) for form in (_POINT, _COMMA))
    if point and not comma:
        return "point"
    return "comma" if comma and not point else "either"


def _resolve(styles: set[Style], separator: str, has_floats: bool) -> Style:
    """Choose the style of ambiguous columns by the other columns."""
    if "comma" in styles and "point" not in styles and separator != ",":
        return "comma"
    if "comma" not in styles and ("point" in styles or has_floats):
        return "point"
    return "either"


def _number(cell: str | None, style: Style) -> float | None:
    if cell is None:
        return None
    for sign in (*_SPACE, "." if style == "comma" else ","):
        cell = cell.replace(sign, "")
    return float(cell.replace(",", "."))
