"""Sentences of README.md and of docs/ are short."""

import pages
import pytest

MOST = dict.fromkeys(pages.PAGES, 35) | {pages.ROOT / "README.md": 30}
WORDS = " ".join(f"word{i}" for i in range(40))


@pytest.mark.parametrize("page", MOST, ids=lambda page: page.name)
def test_no_sentence_of_a_page_is_longer_than_a_reader_can_hold(page):
    told = pages.sentences(pages.text(page))
    assert told
    assert [each for each in told if pages.count(each) > MOST[page]] == []


@pytest.mark.parametrize(
    "text",
    [
        f"{WORDS}.",
        f"A short one. {WORDS.capitalize()}. Another.",
        f"- {WORDS}",
        f"| a | {WORDS} |\n|---|---|",
        f"{WORDS[:120]}\n{WORDS[120:]}, e.g. this",
        f"[{WORDS}](https://example.org)",
        f"1. first\n2. {WORDS}",
        f"> {WORDS}",
    ],
)
def test_a_long_sentence_is_found(text):
    assert max(map(pages.count, pages.sentences(text))) >= 40


@pytest.mark.parametrize(
    "text",
    [
        f"```sh\n{WORDS}\n```",
        f"    {WORDS}",
        f"# {WORDS}",
        f"<!-- {WORDS} -->",
        f"`{WORDS}`",
        f"[here](https://example.org/{WORDS.replace(' ', '_')})",
        WORDS.replace("word20", "end. Word20"),
        f"| {WORDS.replace(' ', ' | ')} |",
        f"- {WORDS[:100]}\n- {WORDS[100:200]}",
    ],
)
def test_what_is_no_long_sentence_is_not_one(text):
    assert max(map(pages.count, pages.sentences(text)), default=0) <= 21


def test_neither_abbreviations_nor_numbers_nor_code_end_a_sentence():
    text = "Finn et al. Finn has a rate of 0.01, e.g. `Here. It` is 0.4. Next one! **Bold.** Last"
    told = pages.sentences(text)
    assert [each.split()[0].strip("*.") for each in told] == ["Finn", "Next", "Bold", "Last"]
