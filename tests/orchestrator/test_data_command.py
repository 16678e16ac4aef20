import pytest
from small_texts import rows_of, write

from orchestrator.commands import data_command
from workers.errors import DataError


def test_a_table_without_images_is_told_how_to_be_described(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(num_classes=3))
    message = rf"no column 'image' .* name the preset .* with --set task\.path={path}"
    with pytest.raises(DataError, match=message):
        data_command.execute(str(path), [])


def test_a_folder_is_not_taken_for_a_table(tmp_path):
    with pytest.raises(DataError) as refused:
        data_command.execute(str(tmp_path), [])
    assert "preset" not in str(refused.value)


def test_what_is_neither_is_refused():
    with pytest.raises(ValueError, match="'nothing' is neither a path nor a preset"):
        data_command.execute("nothing", [])
