from types import SimpleNamespace

import pytest

from workers.tasks.text.tokens import Tokens, ngrams, words
from workers.wire.errors import DataError


def settings(**changes):
    return SimpleNamespace(
        **{"tokens": "words", "vocabulary": 100, "buckets": 7, "max_tokens": None, **changes}
    )


def test_words_are_lower_case_and_signs_are_words():
    assert words("What's THE score?") == ["what", "'", "s", "the", "score", "?"]


def test_ngrams_are_words_pairs_and_parts_of_words_each_once():
    assert ngrams("a cat a cat") == [
        *("a", "cat"),
        *("a cat", "cat a"),
        *("<a>", "<ca", "cat", "at>", "<cat", "cat>", "<cat>")[:2],
        *("at>", "<cat", "cat>", "<cat>"),
    ]


def test_the_vocabulary_is_what_training_texts_say_more_than_once():
    tokens = Tokens.of(["a b", "a c", "d d d"], ["a b", "a c"], settings())
    assert tokens.vocabulary == ["a"]
    assert tokens.number == 1 + 1 + 7


def test_the_most_frequent_are_kept():
    texts = ["a b c", "a b", "a"]
    tokens = Tokens.of(texts, texts, settings(vocabulary=1))
    assert tokens.vocabulary == ["a"]


def test_known_tokens_have_ids_of_their_own_and_others_share_buckets():
    tokens = Tokens("words", ["a", "b"], 3, 4)
    ids = tokens.encode({"it": "b a zebra"}, False)[0]
    assert ids[:2].tolist() == [2, 1]
    assert 3 <= ids[2] < 6
    assert ids[3] == 0


def test_ids_of_buckets_never_change():
    assert Tokens("words", [], 2048, 2).encode({"it": "tea time"}, False).tolist() == [[1971, 70]]


def test_bytes_are_ids_from_one_on():
    tokens = Tokens.of(["é"], [], settings(tokens="bytes"))
    assert tokens.encode({"it": "é"}, False).tolist() == [[1 + 0xC3, 1 + 0xA9]]
    assert tokens.number == 257


def test_the_longest_text_decides_the_length_unless_it_is_set():
    assert Tokens.of(["a b c", "a"], ["a"], settings()).length == 3
    assert Tokens.of(["a b c", "a"], ["a"], settings(max_tokens=2)).length == 2


def test_a_text_that_is_too_long_is_named_or_cut():
    tokens = Tokens("words", ["a"], 3, 2)
    with pytest.raises(DataError, match=r"row 4 has 3 words, the model takes 2: 'a a a'; raise"):
        tokens.encode({"row 4": "a a a"}, False)
    assert tokens.encode({"row 4": "a a a"}, True).tolist() == [[1, 1]]


def test_tokens_come_back_from_json():
    tokens = Tokens("ngrams", ["a"], 3, 2)
    assert Tokens.from_dict(tokens.as_dict()) == tokens
    assert Tokens("ngrams", ["b"], 3, 2).digest != tokens.digest
