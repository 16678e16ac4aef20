"""The layout: sizes of files and folders, and no circles; see benchmarks/suite/house.py."""

import house
import pytest

IMPORTS = house.imports()


def test_no_file_is_longer_than_300_lines():
    assert house.long_files() == {}


def test_a_long_file_of_tests_or_benchmarks_is_found_too(tmp_path):
    for name, lines in {"workers/a.py": 300, "tests/b.py": 301, "benchmarks/c/d.py": 400}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("\n" * lines)
    assert house.long_files(tmp_path) == {"tests/b.py": 301, "benchmarks/c/d.py": 400}


def test_no_two_files_of_tests_and_benchmarks_are_one_module():
    assert house.shared_names() == {}


def test_two_files_of_one_name_are_found(tmp_path):
    for name in (
        "tests/a/test_b.py",
        "tests/c/test_b.py",
        "tests/c/conftest.py",
        "benchmarks/c.py",
        "tests/conftest.py",
        "tests/d/__init__.py",
        "tests/d/c.py",
        "workers/c.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert house.shared_names(tmp_path) == {"test_b": ["tests/a/test_b.py", "tests/c/test_b.py"]}


def test_no_folder_holds_more_than_20_files():
    sizes = house.folder_sizes()
    assert {name: size for name, size in sizes.items() if size > house.MOST_FILES} == {}
    assert sizes["orchestrator/pool"] > 10


def test_files_do_not_import_each_other_in_a_circle():
    assert house.circles(house.file_graph(IMPORTS, lazy=False)) == []


def test_nor_do_they_inside_functions():
    assert house.circles(house.file_graph(IMPORTS, lazy=True)) == []


def test_folders_do_not_import_each_other_in_a_circle():
    assert house.circles(house.room_graph(IMPORTS)) == []


def test_the_library_never_imports_a_command_nor_a_worker_the_driver():
    assert house.upward(IMPORTS) == []


@pytest.mark.parametrize(
    ("edges", "circles"),
    [
        ({"a": {"b"}, "b": {"c"}}, []),
        ({"a": {"b"}, "b": {"a"}, "c": {"a"}}, [["a", "b"]]),
        (
            {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"e"}, "e": {"d"}},
            [["a", "b", "c"], ["d", "e"]],
        ),
    ],
)
def test_a_circle_is_found(edges, circles):
    assert house.circles(edges) == circles


def test_imports_in_functions_are_lazy_and_those_for_types_are_none(tmp_path):
    for name, text in {
        "orchestrator/a.py": "from orchestrator import b\n",
        "orchestrator/b.py": "def use():\n    from workers.c import thing\n",
        "workers/c.py": "if TYPE_CHECKING:\n    import orchestrator.a\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert house.imports(tmp_path) == [
        ("orchestrator.a", "orchestrator.b", False),
        ("orchestrator.b", "workers.c", True),
    ]
