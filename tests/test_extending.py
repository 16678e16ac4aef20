"""The recipes of docs/extending.md are the files and rows that test_additions.py adds and runs."""

import re
from pathlib import Path

import pytest
from additions import ADDITIONS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
RECIPES = ("algorithm", "model", "family", "loss", "command")


@pytest.mark.parametrize("kind", RECIPES)
def test_a_recipe_is_what_the_tests_add(kind):
    addition = ADDITIONS[kind]
    assert addition.source.read_text() in BLOCKS
    assert f"{addition.row}\n" in BLOCKS
    assert f"`{addition.file}`" in PAGE
    assert f"`{addition.registry}`" in PAGE


def test_the_page_has_no_other_code():
    assert len(BLOCKS) == 2 * len(RECIPES)


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_of_the_docs_lead_to_files(page):
    targets = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert local
    assert [target for target in local if not (page.parent / target).exists()] == []
