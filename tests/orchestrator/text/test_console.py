import io

import pytest
from hostile_names import NAMES, obeyed_in
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from orchestrator.text.console import Console, plain
from orchestrator.text.plain_text import printable


def console(encoding="utf-8", **more):
    file = io.TextIOWrapper(io.BytesIO(), encoding)
    return Console(file=file, width=100_000, **more)


def written(on):
    on.file.flush()
    return on.file.buffer.getvalue().decode(on.file.encoding)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_shown_as_it_is_on_one_line(name):
    on = console()
    on.print(f"run {name}:")
    assert written(on) == f"run {printable(name)}:\n"


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_table_shows_names_as_they_are(name):
    on, table = console(), Table(title=name)
    table.add_column(name)
    table.add_row(name)
    on.print(table)
    result = written(on)
    assert result.count(printable(name).strip()) >= 3
    assert len(result.splitlines()) == 6
    assert obeyed_in(result) == []


def test_several_lines_are_several_arguments():
    on = console()
    on.print("a\nb", "c", sep="\n")
    assert written(on) == "a\\nb\nc\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_a_console_without_our_letters_shows_every_number(encoding):
    on, table = console(encoding), Table(title="größe 日本")
    table.add_column("→")
    table.add_row("1.9548 ± 2.1349")
    on.print(table)
    assert "1.9548 +- 2.1349" in written(on) or "1.9548 ± 2.1349" in written(on)
    assert r"\u65e5" in written(on)


def test_what_is_waited_for_is_no_markup():
    on = console(force_terminal=True)
    with on.status("") as status:
        status.update(plain("acting in [/x] \x1b[31m"))
    assert r"acting in [/x] \x1b[31m" in written(on)


def test_what_a_library_made_of_a_name_is_looked_at_too():
    on = console()
    with Progress(console=on) as bar:
        bar.add_task("a\x1b]0;b and more")
    on.print(Text("c\u202ed"))
    assert r"a\x1b]0;b" in written(on)
    assert obeyed_in(written(on)) == []
    assert r"c\u202ed" in written(on)
