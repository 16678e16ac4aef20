"""How the code is laid out, in numbers: `python benchmarks/house.py [--all]`.

Each measure is a function that lists what counts against it; `--all` prints the lists.
"""

import argparse
import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "workers")
CODE = (*PACKAGES, "tests", "benchmarks")
MOST_LINES, MOST_FILES, MOST_BRANCHES, MOST_ROWS = 300, 20, 10, 12
#: What adding one of a kind may touch, the registry's row included.
MOST_TOUCHED = {"algorithm": 2, "model": 2, "family": 2, "command": 2}
#: Rules of ruff: an imperative first line, alone, that ends as a sentence does.
_FIRST_LINES = "D401,D205,D415"
_SECTIONS = ("task", "model", "algorithm")
_SETTINGS_BASES = {"Section", "BaseModel"}


def files_of(*folders: str) -> list[Path]:
    """List the Python files below these folders."""
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


def place(file: Path) -> str:
    """Name a file as it lies in the repository."""
    return file.relative_to(ROOT).as_posix()


@cache
def tree_of(file: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(file.read_text())


def long_files() -> list[str]:
    """List files of more than 300 lines, the longest first."""
    lines = {place(file): len(file.read_text().splitlines()) for file in files_of(*CODE)}
    found = sorted(((n, name) for name, n in lines.items() if n > MOST_LINES), reverse=True)
    return [f"{name}: {n}" for n, name in found]


def flat_folders() -> list[str]:
    """List folders by the files that lie flat in them, the largest first."""
    numbers = Counter(place(file.parent) for file in files_of(*CODE))
    return [f"{folder}: {number}" for folder, number in numbers.most_common()]


# Imports.


def imports_of(file: Path) -> set[str]:
    """List the files of the packages that a file imports at its top level."""
    names = set()
    for node in _top_level(tree_of(file)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    paths = (ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names)
    return {place(path) for path in paths if path.is_file()} - {place(file)}


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """Walk over what runs on import: no functions, nothing for type checkers alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield other
                yield from _top_level(other)
            continue
        yield child
        yield from _top_level(child)


def circles(graph: Mapping[str, Set[str]]) -> list[list[str]]:
    """List the strongly connected parts of more than one node (Tarjan 1972), the largest first."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            start = stack.index(node)
            part, stack[start:] = sorted(stack[start:]), []
            if len(part) > 1:
                found.append(part)

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return sorted(found, key=len, reverse=True)


def circles_of_files() -> list[str]:
    """List files that import each other."""
    graph = {place(file): imports_of(file) for file in files_of(*PACKAGES)}
    return [" - ".join(part) for part in circles(graph)]


def circles_of_folders() -> list[str]:
    """List folders that import each other."""
    graph: dict[str, set[str]] = defaultdict(set)
    for file in files_of(*PACKAGES):
        own = place(file.parent)
        graph[own] |= {other.rpartition("/")[0] for other in imports_of(file)} - {own}
    return [" - ".join(part) for part in circles(graph)]


# Branches on kind.


def branches_on_kind() -> list[str]:
    """List where code asks which algorithm, model or family it has to do with.

    Comparisons with a kind, tables that are looked up by one, and `isinstance` with its class;
    outside registries and the settings' classes themselves, and not in assertions.
    """
    kinds, records = _records()
    return [
        f"{place(file)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for file in files_of(*PACKAGES)
        if file.name != "registry.py"
        for node in _outside(tree_of(file), records)
        if isinstance(node, ast.expr) and _is_branch(node, kinds, records)
    ]


def _records() -> tuple[set[str], set[str]]:
    """Collect all kinds, and the names of classes of settings that have one, or lead to them."""
    bases: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    for file in files_of(*PACKAGES):
        for node in ast.walk(tree_of(file)):
            if not isinstance(node, ast.ClassDef):
                continue
            bases[node.name] = {ast.unparse(base) for base in node.bases}
            for line in node.body:
                declares = isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "kind"
                value = getattr(line, "value", None)
                if declares and isinstance(value, ast.Constant):
                    kinds[node.name] = str(value.value)
    records = set[str]()
    ahead = set(kinds)
    while ahead:
        records |= ahead
        ahead = {base for name in ahead for base in bases.get(name, ()) if base in bases}
        ahead -= records | _SETTINGS_BASES
    return set(kinds.values()), records


def _outside(node: ast.AST, records: Set[str]) -> Iterator[ast.AST]:
    """Walk over all but classes of settings and assertions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Assert) or getattr(child, "name", "") in records:
            continue
        yield child
        yield from _outside(child, records)


def _is_branch(node: ast.expr, kinds: Set[str], records: Set[str]) -> bool:
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        asked = [side for side in sides if _is_kind(side)]
        named = any(_constants(side) & kinds for side in sides)
        return bool(asked) and (named or any(_owner(side) in _SECTIONS for side in asked))
    if isinstance(node, ast.Subscript):
        return _is_kind(node.slice) and _owner(node.slice) in _SECTIONS
    if not isinstance(node, ast.Call):
        return False
    if ast.unparse(node.func).endswith(".get") and node.args:
        return _is_kind(node.args[0]) and _owner(node.args[0]) in _SECTIONS
    classes = {ast.unparse(part) for part in ast.walk(node) if isinstance(part, ast.Name)}
    return ast.unparse(node.func) == "isinstance" and bool(classes & records)


def _is_kind(node: ast.AST) -> bool:
    """Tell whether an expression is somebody's kind."""
    text = ast.unparse(node)
    return bool(re.search(r"(^|\.)kind$|\[['\"]kind['\"]\]$|get\(['\"](\w+\.)?kind['\"]", text))


def _owner(node: ast.AST) -> str:
    """Name what has the attribute: `task` of config.task.kind."""
    return ast.unparse(node).removesuffix(".kind").rpartition(".")[2]


def _constants(node: ast.AST) -> set[str]:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {part.value for part in parts if isinstance(part.value, str)}


# Additions, docstrings, README.


def touched() -> dict[str, list[str]]:
    """List the files that a made-up kind of each sort takes; tests/test_additions.py tries them."""
    init = ROOT / "tests" / "additions" / "__init__.py"
    spec = importlib.util.spec_from_file_location("additions", init)
    assert spec is not None
    assert spec.loader is not None
    additions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(additions)
    return {sort: sorted(each.touched) for sort, each in additions.ADDITIONS.items()}


def first_lines() -> list[str]:
    """List docstrings whose first line is no imperative, or no sentence of its own, by ruff."""
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", _FIRST_LINES]
    done = subprocess.run(
        [*ruff, "--output-format", "json", "--exit-zero", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        f"{place(Path(each['filename']))}:{each['location']['row']}: {each['code']}"
        for each in json.loads(done.stdout)
    ]


def rows_of_the_map() -> list[str]:
    """List the rows of README's map of rooms."""
    section = (ROOT / "README.md").read_text().split("## Where the code is")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| ")][1:]


def main() -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print what counts, too")
    whole = parser.parse_args().all
    folders, rows = flat_folders(), rows_of_the_map()
    lists = {
        f"files above {MOST_LINES} lines (0)": long_files(),
        "circles between files (0)": circles_of_files(),
        "circles between folders (0)": circles_of_folders(),
        f"branches on kind (<= {MOST_BRANCHES})": branches_on_kind(),
        "first lines of docstrings that are none (0)": first_lines(),
        f"rows of README's map (<= {MOST_ROWS})": rows,
        "rows of README's map that name files (0)": [row for row in rows if ".py`" in row],
    }
    print(f"largest flat folder (<= {MOST_FILES}): {folders[0]}")
    for sort, files in touched().items():
        print(f"files for a new {sort} (<= {MOST_TOUCHED.get(sort, 2)}): {len(files)}")
    for name, found in lists.items():
        print(f"{name}: {len(found)}")
        for line in found if whole else ():
            print(f"    {line}")


if __name__ == "__main__":
    main()
