import pandas as pd
import pytest

from orchestrator.adaptation.readers.strings import named_texts


def test_texts_are_named_by_their_place():
    assert named_texts(("one", "z w e i")) == {"inputs[0]": "one", "inputs[1]": "z w e i"}


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        ("one", r"inputs are 'one', a single text; give a list of texts"),
        (b"one", "a single text; give a list of texts"),
        (3, "inputs are 3, not texts; give a list of texts"),
        ([], "inputs hold no text; give a list of texts"),
        (["one", ""], r"inputs\[1\] is ''; texts are needed, none of them empty"),
        (["one", " \n"], r"inputs\[1\] is ' \\n'; texts are needed"),
        (["one", None], r"inputs\[1\] is None; texts are needed"),
        ({"one": 1, "two": 2}, "inputs are columns by name, not texts; give a list of texts"),
        (pd.DataFrame({"one": ["a"]}), "inputs are columns by name"),
        (["a\ud83d"], r"inputs\[0\] holds '\\ud83d', half of a character; read the text as UTF-8"),
    ],
)
def test_what_are_no_texts_is_refused(texts, match):
    with pytest.raises(ValueError, match=match):
        named_texts(texts)
