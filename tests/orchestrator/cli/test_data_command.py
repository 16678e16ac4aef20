import io
import json
import shutil

import numpy as np
import pytest
from inline_command import metatrain
from PIL import Image
from small_images import members, picture, png, write_folder, write_zip
from small_signals import class_folders, npz, sines
from small_tables import SENSORS, write_table
from small_texts import rows_of, write

from orchestrator.cli import app, data_command
from orchestrator.config.schema import load
from orchestrator.run.opening import open_family
from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_files import SUFFIXES
from workers.wire.errors import DataError


def photograph(class_index, example, **how):
    """Make an image 50 wide and 40 high, in colour."""
    grey = np.kron(picture(class_index, example, 5), np.ones((8, 10), np.uint8))
    stream = io.BytesIO()
    Image.fromarray(np.stack([grey, grey // 2, 255 - grey], axis=-1)).save(stream, "PNG", **how)
    return stream.getvalue()


def photographs(num_classes=15, examples=5):
    return {
        f"p{i:02}/{j}.png": photograph(i, j) for i in range(num_classes) for j in range(examples)
    }


def survey(capsys, tmp_path, source, *overrides):
    """Return whether the run can work, the output, and the notes."""
    works = data_command.show_source(str(source), [f"cache={tmp_path / 'cache'}", *overrides])
    shown = capsys.readouterr()
    return works, " ".join(shown.out.replace("│", "").split()), shown.err.splitlines()


def test_a_table_without_images_is_told_how_to_be_described(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(num_classes=3))
    message = rf"no column 'image' .* name a preset .* with --set task\.path={path}"
    with pytest.raises(DataError, match=message):
        data_command.show_source(str(path), [])


def test_a_folder_is_not_taken_for_a_table(tmp_path):
    with pytest.raises(DataError) as refused:
        data_command.show_source(str(tmp_path), [])
    assert "preset" not in str(refused.value)


def test_what_is_neither_is_refused():
    with pytest.raises(ValueError, match="'nothing' is neither a path nor a preset"):
        data_command.show_source("nothing", [])


def test_a_folder_of_images_is_described_as_the_neutral_preset_would_train_on_it(tmp_path, capsys):
    folder = write_folder(tmp_path / "pets", photographs())
    works, shown, notes = survey(capsys, tmp_path, folder)
    assert works
    assert notes == []
    assert "stored as 40 x 40 x 3, uint8" in shown
    assert "75 of 75 images were resized to 40 x 40 (the first was 50 x 40)" in shown
    assert "75 of 75 images were not square: their proportions changed" in shown
    assert "train classes 5 validation classes 5 test classes 5" in shown


def test_what_is_converted_is_told(tmp_path, capsys):
    folder = write_folder(tmp_path / "pets", photographs())
    settings = ["image_size=28", "channels=1"]
    _, shown, _ = survey(capsys, tmp_path, folder, *settings)
    assert "75 of 75 images were resized to 28 x 28 (the first was 50 x 40)" in shown
    assert "75 of 75 images were in colour, made grey" in shown
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "p00" / "0.png").write_bytes(photograph(0, 0, exif=exif))
    (folder / "p00" / "1.png").write_bytes(png(np.full((40, 40), 999, np.uint16)))
    (folder / "p00" / "2.png").write_bytes(png(np.zeros((40, 40, 4), np.uint8)))
    _, shown, _ = survey(capsys, tmp_path, folder, *settings)
    for part in (
        "1 of 75 images were turned upright, as their orientation says",
        "1 of 75 images were laid on white where they are transparent",
        "1 of 75 images were brought from more bits to 8",
    ):
        assert part in shown


def test_a_run_that_cannot_work_is_described_as_far_as_it_goes(tmp_path, capsys):
    small = {"few/0.png": photograph(20, 0), "none/0.png": photograph(21, 0), "a/b.heic": b""}
    folder = write_folder(tmp_path / "pets", photographs() | small)
    works, shown, notes = survey(capsys, tmp_path, folder)
    assert not works
    assert "images 77" in shown
    assert notes[0].startswith("note: 1 file is skipped")
    assert notes[-1] == (
        "this run cannot work: shots = 1 and queries = 4 need 5 images of a class; there are 2 "
        "classes ('few' (1), 'none' (1)) with fewer different ones; lower task.shots or "
        "task.queries, or leave such classes out: task.small_classes=leave_out"
    )
    works, _, notes = survey(capsys, tmp_path, folder, "small_classes=leave_out")
    assert works
    assert notes[-1].endswith("with fewer than 5 different images: left out (task.small_classes)")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"p00/bad.png": b"no image"}, r"p00/bad\.png: not an image that Pillow can read"),
        ({"p00/cut.png": photograph(0, 9)[:60]}, r"p00/cut\.png: not an image"),
    ],
)
def test_an_image_that_cannot_be_read_is_why_a_run_cannot_work(tmp_path, capsys, change, reason):
    folder = write_folder(tmp_path / "pets", photographs() | change)
    works, _, notes = survey(capsys, tmp_path, folder)
    assert not works
    with pytest.raises(DataError, match=reason):
        raise DataError(notes[-1])


def test_too_few_classes_are_told_with_how_many_would_do(tmp_path, capsys):
    folder = write_folder(tmp_path / "pets", photographs(num_classes=9))
    works, _, (note,) = survey(capsys, tmp_path, folder)
    assert not works
    assert "task.ways = 5, but the train split has 3 classes" in note
    works, _, _ = survey(capsys, tmp_path, folder, "ways=3")
    assert works


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["pets"], 0),
        (["pets", "--set", "queries=9"], 1),
        (["pets/list.csv"], 2),
        (["nowhere"], 2),
        (["images", "--set", "task.path=nowhere"], 2),
        (["table", "--set", "task.path=a.csv", *("--set", "task.task_column=x")], 2),
    ],
)
def test_the_exit_code_says_whether_a_run_can_work(tmp_path, monkeypatch, arguments, code):
    write_folder(tmp_path / "pets", photographs())
    (tmp_path / "pets" / "list.csv").write_text("file,breed\np00/0.png,x\n")
    monkeypatch.chdir(tmp_path)
    if arguments == ["pets"] or "queries=9" in arguments:
        (tmp_path / "pets" / "list.csv").unlink()
    typed = ["metatrain", "data", *arguments, "--set", f"task.cache={tmp_path / 'cache'}"]
    if arguments[0] == "table":
        typed = typed[:-2]
    monkeypatch.setattr("sys.argv", typed)
    if code == 0:
        app.main()
        return
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == code


def test_a_file_that_is_there_twice_is_told_in_every_family(tmp_path, capsys):
    twice = members(15, 5) | {"c00/copy.png": png(picture(0, 1)), "c01/x.png": png(picture(0, 1))}
    _, _, notes = survey(capsys, tmp_path, write_folder(tmp_path / "i", twice))
    assert notes == [
        "note: 1 image is a copy of another of the same class: none is in support and query "
        "of one task, but two may be in one of them",
        "note: 1 image is in several classes (1 in several splits): in 'c00' and 'c01'; none is on "
        "both sides of a task, but which class is right? leave the others out",
    ]
    rows = {name: [*cells, cells[0]] for name, cells in SENSORS.items()}
    write_table(tmp_path / "t.csv", rows)
    columns = ["task.task_column=sensor", "task.target_column=ppm", "task.shots=2"]
    config, _ = load("table", [f"task.path={tmp_path / 't.csv'}", *columns, "task.queries=2"])
    assert open_family(config).notes()[0].startswith("1 row is a copy of another of the same task")


def test_readmes_table_of_images_loads_with_the_neutral_preset(tmp_path):
    write_folder(tmp_path, photographs())
    listed = "".join(f"{name},{name.split('/')[0]}\n" for name in photographs())
    (tmp_path / "pets.csv").write_text(f"image,label\n{listed}")
    config, notes = load(
        "images", [f"task.path={tmp_path / 'pets.csv'}", f"task.cache={tmp_path / 'cache'}"]
    )
    assert notes == []
    family = open_family(config)
    assert family.input_shape == (40, 40, 3)
    assert family.num_train_classes == 5


def taken_for(capsys, source, *overrides):
    """Return the kind that a path alone is taken for, whether a run can work, and why not."""
    works = data_command.show_source(str(source), list(overrides), as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert shown["works"] == works
    return shown["kind"], works, shown["problem"]


def zipped(folder):
    return shutil.make_archive(str(folder), "zip", folder)


def test_signals_are_recognized_by_their_files(tmp_path, capsys):
    x, y = sines(classes=15, recordings=10, length=20)
    folder = class_folders(tmp_path / "folder", x, y)
    for source in (folder, zipped(folder), npz(tmp_path / "one.npz", x=x, y=y)):
        assert taken_for(capsys, source) == ("signal", True, "")
    kind, works, problem = taken_for(capsys, folder, "queries=9")
    assert (kind, works) == ("signal", False)
    assert "lower task.shots or task.queries" in problem


def test_task_files_are_recognized(tmp_path, capsys):
    (tmp_path / "tasks").mkdir()
    for i in range(5):
        npz(tmp_path / "tasks" / f"{i}.npz", x=np.eye(10)[:, :2], y=np.arange(10.0) * i)
    for source in (tmp_path / "tasks", zipped(tmp_path / "tasks")):
        assert taken_for(capsys, source) == ("npz", True, "")


def test_a_folder_of_signals_without_classes_says_what_is_expected(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros(9))
    kind, works, problem = taken_for(capsys, tmp_path)
    assert (kind, works) == ("signal", False)
    assert problem.endswith("a.npy is in no folder; a class is a folder of signals")


def test_images_stay_images_beside_other_files(tmp_path, capsys):
    folder = write_folder(tmp_path / "pets", photographs())
    np.save(folder / "p00" / "embedding.npy", np.zeros(9))
    assert taken_for(capsys, folder, f"cache={tmp_path / 'cache'}") == ("images", True, "")
    archive = zipped(folder)
    (tmp_path / "beside").mkdir()
    np.save(tmp_path / "beside" / "embedding.npy", np.zeros(9))
    shutil.move(archive, tmp_path / "beside" / "pets.zip")
    source = tmp_path / "beside"
    assert taken_for(capsys, source, f"cache={tmp_path / 'cache'}") == ("images", True, "")


def test_what_is_told_of_images_are_their_readers_endings():
    assert ImagesTask.members == SUFFIXES


def test_default_data_are_named_before_they_are_decoded(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path))
    (tmp_path / "omniglot").mkdir()
    source = write_zip(tmp_path / "omniglot" / "a.zip", members(num_classes=20, examples=6))
    cache = ["--set", f"task.cache={tmp_path / 'cache'}"]
    told = f"note: task.path is unset: the data are those in {tmp_path / 'omniglot'}; for your own"
    code, _, err = metatrain(capsys, monkeypatch, "data", "images", *cache)
    assert code == 0, err
    assert err.startswith(told)
    _, _, err = metatrain(capsys, monkeypatch, "data", source, *cache)
    assert "is unset" not in err
