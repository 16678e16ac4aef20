import numpy as np
import pytest

from workers.tasks.text.characters import END, UNKNOWN, Characters
from workers.wire.errors import DataError


def vocabulary(texts=("abc", "bd"), kind="characters", length=6, ends=True):
    return Characters.of(texts, kind, length, ends)


def test_a_text_is_said_token_for_token_and_then_ends():
    inputs, targets = vocabulary().encode({"a": "bad", "b": "c"}, False)
    b, a, d, c = 3, 2, 5, 4
    assert targets.tolist() == [[b, a, d, END, -1, -1], [c, END, -1, -1, -1, -1]]
    assert inputs.tolist() == [[END, b, a, d, END, END], [END, c, END, END, END, END]]
    assert inputs.dtype == targets.dtype == np.int32


def test_what_training_texts_do_not_say_is_one_token():
    characters = vocabulary()
    _, targets = characters.encode({"a": "aøz"}, False)
    assert targets[0, :3].tolist() == [2, UNKNOWN, UNKNOWN]
    assert characters.decode(targets[0]) == "a\ufffd\ufffd"
    assert characters.number == 2 + 4


def test_windows_have_no_end():
    inputs, targets = vocabulary(length=3, ends=False).encode({"a": "abc"}, False)
    assert targets.tolist() == [[2, 3, 4]]
    assert inputs.tolist() == [[END, 2, 3]]


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_a_text_comes_back_as_it_was(kind):
    texts = ["Sówka", "naïve — 'café'", "a\nb"]
    characters = vocabulary(texts, kind, 40)
    _, targets = characters.encode({text: text for text in texts}, False)
    assert [characters.decode(row) for row in targets] == texts
    assert Characters.from_dict(characters.as_dict()) == characters


def test_a_byte_of_a_character_counts_as_one():
    _, targets = vocabulary(["ó"], "bytes").encode({"a": "ó"}, False)
    assert (targets >= 0).sum() == 3


def test_a_text_that_is_too_long_is_refused_by_name_or_cut():
    characters = vocabulary()
    assert characters.encode({"a": "abcda"}, False).targets[0, -1] == END
    with pytest.raises(DataError, match=r"row 7 has 6 characters, the model takes 5: 'abcdab'"):
        characters.encode({"row 7": "abcdab"}, False)
    cut = characters.encode({"row 7": "abcdab"}, True).targets[0]
    assert characters.decode(cut) == "abcdab"
    assert END not in cut
