"""The measures of the layout: sizes of files and folders, and imports between them.

    python benchmarks/suite/house.py

A circle is a group of files, or of folders, each of which imports all others, directly or through
some of them. Imports inside functions count in the second measure of files and in folders; those
below `if TYPE_CHECKING` never do. A folder directly below a package is a room with all its content,
and so is a file there; the folders inside a room are compared with each other.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "workers")
# Folders beside the packages whose files have the same most lines.
_OTHERS = ("tests", "benchmarks")
MOST_LINES, MOST_FILES = 300, 20
COMMANDS = "orchestrator.cli"

Graph = Mapping[str, set[str]]


class Import(NamedTuple):
    """An import of a file by another; lazy: inside a function."""

    importer: str
    imported: str
    lazy: bool


def files(root: Path = ROOT) -> dict[str, Path]:
    """Map each module's dotted name to its file."""
    modules = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return modules


def imports(root: Path = ROOT) -> list[Import]:
    """List the imports within the packages."""
    modules = files(root)
    return [
        Import(name, target, lazy)
        for name, path in modules.items()
        for written, lazy in _named(ast.parse(path.read_text()), False)
        if (target := _module(written, modules)) and target != name
    ]


def _module(name: str, modules: Mapping[str, Path]) -> str:
    """Return the module that an imported name is, or is in; "" for one of a library."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in modules), "")


def _named(node: ast.AST, lazy: bool) -> Iterator[tuple[str, bool]]:
    """Yield dotted names that are imported below `node`, and whether inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, lazy) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((f"{child.module}.{alias.name}", lazy) for alias in child.names)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _named(child, lazy or inside)


def room(name: str) -> str:
    """Return the folder or file directly below the package."""
    return ".".join(name.split(".")[:2])


def file_graph(edges: list[Import], lazy: bool) -> Graph:
    """Build the graph of imports between files, with or without those inside functions."""
    graph = defaultdict[str, set[str]](set)
    for edge in edges:
        if lazy or not edge.lazy:
            graph[edge.importer].add(edge.imported)
    return graph


def room_graph(edges: list[Import]) -> Graph:
    """Build the graph of all imports between rooms, and between the folders inside a room."""
    modules = files()
    graph = defaultdict[str, set[str]](set)
    for edge in edges:
        ends = (edge.importer, edge.imported)
        rooms = tuple(map(room, ends))
        if rooms[0] == rooms[1]:
            rooms = _siblings(*(_folder(end, modules[end]) for end in ends))
        if rooms[0] != rooms[1]:
            graph[rooms[0]].add(rooms[1])
    return graph


def _folder(name: str, path: Path) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def _siblings(one: str, other: str) -> tuple[str, str]:
    """Return the sibling folders that hold two folders; equal if one folder holds the other."""
    parts = one.split("."), other.split(".")
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(*parts, strict=False))))
    if shared == min(map(len, parts)):
        return one, one
    return ".".join(parts[0][: shared + 1]), ".".join(parts[1][: shared + 1])


def circles(graph: Graph) -> list[list[str]]:
    """List the groups of nodes that reach each other."""
    reach = {node: _reached(graph, node) for node in graph}
    groups = {
        frozenset(other for other in near if node in reach.get(other, ()))
        for node, near in reach.items()
        if node in near
    }
    return sorted(sorted(group) for group in groups)


def _reached(graph: Graph, start: str) -> set[str]:
    """Collect all nodes that a path of at least one edge leads to."""
    reached: set[str] = set()
    ahead = list(graph.get(start, ()))
    while ahead:
        node = ahead.pop()
        if node not in reached:
            reached.add(node)
            ahead += graph.get(node, ())
    return reached


def long_files(root: Path = ROOT) -> dict[str, int]:
    """Map files with too many lines, also of tests and benchmarks, to their number."""
    paths = [path for folder in (*PACKAGES, *_OTHERS) for path in (root / folder).rglob("*.py")]
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in sorted(paths)}
    return {
        path.relative_to(root).as_posix(): size for path, size in sizes.items() if size > MOST_LINES
    }


def shared_names(root: Path = ROOT) -> dict[str, list[str]]:
    """Map module names that two files have, where Python takes the first: outside packages."""
    found: dict[str, list[str]] = {}
    for folder in _OTHERS:
        for path in sorted((root / folder).rglob("*.py")):
            if path.name != "conftest.py" and not (path.parent / "__init__.py").exists():
                found.setdefault(path.stem, []).append(path.relative_to(root).as_posix())
    return {name: paths for name, paths in found.items() if len(paths) > 1}


def folder_sizes() -> dict[str, int]:
    """Map folders to the number of Python files directly in them, without __init__.py."""
    sizes = defaultdict[str, int](int)
    for path in files().values():
        if path.name != "__init__.py":
            sizes[path.parent.relative_to(ROOT).as_posix()] += 1
    return dict(sizes)


def upward(edges: list[Import]) -> list[tuple[str, str]]:
    """List imports against the order: of commands by the library, of the driver by a worker."""
    return [
        (edge.importer, edge.imported)
        for edge in edges
        if (room(edge.imported) == COMMANDS and room(edge.importer) != COMMANDS)
        or (edge.imported.startswith("orchestrator") and edge.importer.startswith("workers"))
    ]


def main() -> None:
    """Print the measures."""
    edges = imports()
    sizes = folder_sizes()
    largest = max(sizes, key=sizes.__getitem__)
    print(f"files: {len(files())}, above {MOST_LINES} lines: {long_files() or 'none'}")
    print(f"largest folder: {largest} with {sizes[largest]} files, at most {MOST_FILES}")
    for what, graph in (
        ("files as they are imported", file_graph(edges, lazy=False)),
        ("files, imports inside functions included", file_graph(edges, lazy=True)),
        ("folders", room_graph(edges)),
    ):
        print(f"circles between {what}: {circles(graph) or 'none'}")
    print(f"imports of commands by the library, of the driver by a worker: {upward(edges) or 0}")


if __name__ == "__main__":
    main()
