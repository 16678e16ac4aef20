"""The cost of a kind: `python benchmarks/suite/house_kinds.py [--all]`.

Counts branches on the kind of algorithm, model or family, and the files that a new kind touches.
"""

import argparse
import ast
import importlib.util
import re
from collections.abc import Iterator, Set

from house import ROOT, files

MOST_BRANCHES = 10
#: Most files that a new kind may touch, the registry included.
MOST_TOUCHED = {"algorithm": 2, "model": 2, "family": 2, "command": 2}
_SECTIONS = ("task", "model", "algorithm")
_SETTINGS_BASES = {"Section", "BaseModel"}


def branches_on_kind() -> list[str]:
    """List where code depends on the kind of algorithm, model or family.

    These are comparisons with a kind, tables indexed by one, and `isinstance` with its class,
    outside registries, settings' classes and assertions.
    """
    kinds, records = _records()
    return [
        f"{file.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for file in files().values()
        if file.name != "registry.py"
        for node in _outside(ast.parse(file.read_text()), records)
        if isinstance(node, ast.expr) and _is_branch(node, kinds, records)
    ]


def _records() -> tuple[set[str], set[str]]:
    """Collect all kinds, and the names of settings' classes with a kind and of their bases."""
    bases: dict[str, set[str]] = {}
    kinds: dict[str, str] = {}
    for file in files().values():
        for node in ast.walk(ast.parse(file.read_text())):
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
    """Walk over all nodes but settings' classes and assertions."""
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
    """Return whether an expression is the kind of an object."""
    text = ast.unparse(node)
    return bool(re.search(r"(^|\.)kind$|\[['\"]kind['\"]\]$|get\(['\"](\w+\.)?kind['\"]", text))


def _owner(node: ast.AST) -> str:
    """Return the name before the attribute: `task` of config.task.kind."""
    return ast.unparse(node).removesuffix(".kind").rpartition(".")[2]


def _constants(node: ast.AST) -> set[str]:
    parts = (part for part in ast.walk(node) if isinstance(part, ast.Constant))
    return {part.value for part in parts if isinstance(part.value, str)}


def touched() -> dict[str, list[str]]:
    """List the files that a new kind of each sort touches; tests/test_additions.py adds them."""
    init = ROOT / "tests" / "additions" / "__init__.py"
    spec = importlib.util.spec_from_file_location("additions", init)
    assert spec is not None
    assert spec.loader is not None
    additions = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(additions)
    return {sort: sorted(addition.touched) for sort, addition in additions.ADDITIONS.items()}


def main() -> None:
    """Print the measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print each branch, too")
    whole = parser.parse_args().all
    for sort, paths in touched().items():
        print(f"files for a new {sort}: {len(paths)}, at most {MOST_TOUCHED.get(sort, 2)}")
    branches = branches_on_kind()
    print(f"branches on kind: {len(branches)}, at most {MOST_BRANCHES}")
    for line in branches if whole else ():
        print(f"    {line}")


if __name__ == "__main__":
    main()
