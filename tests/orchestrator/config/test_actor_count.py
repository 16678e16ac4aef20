import pytest
from small_configs import sinusoid

from orchestrator.config.actor_count import CountRange, parse_count
from orchestrator.config.schema import load, to_toml, validate


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (4096, 4096),
        ("auto", "auto"),
        ("2..8", CountRange(min=2, max=8)),
        ("2 .. 2", CountRange(min=2, max=2)),
        ({"min": 2, "max": 8}, CountRange(min=2, max=8)),
        ({"max": 8}, CountRange(min=1, max=8)),
        ({"min": 3}, CountRange(min=3, max=4096)),
    ],
)
def test_a_count_is_a_number_auto_or_a_range(value, count):
    assert parse_count(value) == count
    assert parse_count(count) == count


WRONG = [-1, 4097, True, 2.0, "2", "two", "8..2", "0..3", "1..5000", [1, 2], None, {}]
WRONG_TABLES = [{"min": 0}, {"min": 5, "max": 4}, {"min": True, "max": 3}, {"least": 1}]


@pytest.mark.parametrize("value", [*WRONG, *WRONG_TABLES])
def test_anything_else_is_refused_with_what_is_allowed(value):
    with pytest.raises(ValueError, match="must be 0 to 4096, 'auto', or a range such as") as no:
        parse_count(value)
    assert str(no.value).startswith("workers.count ")
    assert str(no.value).endswith(f"; got {value!r}")


def test_a_range_can_be_set_in_one_word_or_as_a_table_and_survives_toml(tmp_path):
    expected = CountRange(min=2, max=8)
    for text in ("workers.count=2..8", "workers.count={min=2,max=8}"):
        assert load("sinusoid", [text])[0].workers.count == expected
    config = sinusoid("workers.count=2..8")
    path = tmp_path / "config.toml"
    path.write_text(to_toml(config))
    assert load(str(path))[0].workers.count == expected
    assert load(str(path), ["workers.count=auto"])[0].workers.count == "auto"
    assert load(str(path), {"workers": {"count": {"min": 1, "max": 2}}})[0].workers.count == (
        CountRange(min=1, max=2)
    )


def test_how_many_actors_there_are_is_no_part_of_the_bits():
    config = sinusoid()
    assert sinusoid("workers.count=2..8").bits_hash() == config.bits_hash()
    assert validate(config.model_dump()) == config
