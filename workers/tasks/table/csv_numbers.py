"""Numbers with decimal commas or thousands separators, where it is beyond doubt what they say.

"0,5" in a file of semicolons is a half. "1,234" may be either: what else is in the file decides,
and where nothing does, the column stays one of texts, and is refused as such.
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
    """The table, with columns of such numbers as numbers.

    Args:
      separator: of cells. texts: columns to leave alone. again: reads the file with more of them.
    """
    import pyarrow as pa

    names = table.column_names
    if len(set(names)) < len(names):  # refused by whoever reads it
        return table
    open_columns = [name for name in names if name not in set(texts)]
    kinds = {name: table.schema.field(name).type for name in open_columns}
    cells = {
        name: found
        for name, kind in kinds.items()
        if pa.types.is_string(kind) and (found := _numbers(table.column(name))) is not None
    }
    if not cells:
        return table
    styles = {name: _style(found) for name, found in cells.items()}
    floats = [name for name, kind in kinds.items() if pa.types.is_floating(kind)]
    meant = _meant(set(styles.values()), separator, bool(floats))
    if meant == "comma" and floats:  # 1.234 may have been a thousand
        other = again(floats)
        for name in floats:
            found = _numbers(other.column(name))
            if found is not None and _style(found) != "point":
                cells[name], styles[name] = found, "comma"
    for name, found in cells.items():
        style = styles[name] if styles[name] != "either" else meant
        same = not any(sign in cell for cell in found if cell for sign in ",.")
        if same or style == "point" or (style == "comma" and separator != ","):
            column = pa.array([_number(cell, style) for cell in found], pa.float64())
            table = table.set_column(names.index(name), name, column)
    return table


def _numbers(column: Any) -> list[str | None] | None:
    """The cells, None where one is empty; None if one of them is no number in any style."""
    from pyarrow import csv

    nothing = set(csv.ConvertOptions().null_values)
    found: list[str | None] = []
    for chunk in column.chunks:
        for cell in chunk:
            value = cell.as_py()
            text = value.decode(errors="replace") if isinstance(value, bytes) else value or ""
            text = text.strip()
            if text in nothing:
                found.append(None)
            elif any(map(str.isdigit, text)) and (_POINT.fullmatch(text) or _COMMA.fullmatch(text)):
                found.append(text)
            else:
                return None
    return found if any(found) else None


def _style(cells: Sequence[str | None]) -> Style:
    """What decides: cells of 1,234 alone may be either."""
    said = [cell for cell in cells if cell]
    point, comma = (all(map(form.fullmatch, said)) for form in (_POINT, _COMMA))
    if point and not comma:
        return "point"
    return "comma" if comma and not point else "either"


def _meant(styles: set[Style], separator: str, has_floats: bool) -> Style:
    """What a column that may be either means, by the others."""
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
