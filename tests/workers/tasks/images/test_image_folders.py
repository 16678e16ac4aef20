import os
import re

import numpy as np
import pytest
from small_images import members, picture, png, write_folder, write_parquet, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_cache import open_cache
from workers.tasks.images.image_files import ZipImages
from workers.tasks.images.image_folders import CsvImages, FolderImages
from workers.tasks.images.image_sources import find_files
from workers.wire.errors import DataError


def write_csv(folder, contents, columns="image,label"):
    """A CSV of the images in `contents`, which are written beside it; the label is their folder."""
    write_folder(folder, contents)
    rows = [f"{name},{name.split('/')[-2]}" for name in contents]
    file = folder / "labels.csv"
    file.write_text("\n".join([columns, *rows]) + "\n")
    return file


def cache_of(path, tmp_path, **changes):
    task = ImagesTask(path=str(path), cache=str(tmp_path / "cache"), image_size=8, **changes)
    return open_cache(find_files(task.path), task)


@pytest.mark.parametrize("top", ["", "images/"])
def test_a_folder_a_csv_and_a_zip_of_the_same_images_are_the_same_data(tmp_path, top):
    contents = members(top=top)
    sources = {
        "zip": write_zip(tmp_path / "a.zip", contents),
        "folder": write_folder(tmp_path / "folder", contents),
        "csv": write_csv(tmp_path / "csv", contents),
    }
    caches = {name: cache_of(path, tmp_path) for name, path in sources.items()}
    assert len({cache.digest for cache in caches.values()}) == 1
    assert caches["folder"].class_names == tuple(f"c{index:02}" for index in range(10))
    np.testing.assert_array_equal(caches["csv"].pixels[0, ..., 0], picture(0, 0))


def test_a_class_is_named_by_its_folders_as_in_a_zip(tmp_path):
    contents = {**members(2, 2, top="data/Latin/"), **members(2, 2, top="data/Greek/")}
    folder = FolderImages(write_folder(tmp_path / "a", contents))
    archive = ZipImages(write_zip(tmp_path / "a.zip", contents))
    assert folder.class_names == archive.class_names
    assert folder.top == archive.top == "data"
    assert set(folder.class_names) == {"Latin/c00", "Latin/c01", "Greek/c00", "Greek/c01"}


def test_hidden_files_and_what_is_no_image_are_passed_over(tmp_path):
    folder = write_folder(tmp_path, {**members(2, 1), "c00/notes.txt": b"", "c00/.x.png": b""})
    assert len(FolderImages(folder).class_names) == 2


def test_a_loose_image_beside_class_folders_is_refused_by_its_name(tmp_path):
    folder = write_folder(tmp_path, {**members(2, 1), "loose.png": png(picture(0, 0))})
    with pytest.raises(DataError, match=r"loose\.png is in no folder"):
        FolderImages(folder)


@pytest.mark.parametrize("change", ["touched", "added", "grown", "other with its time"])
def test_a_changed_folder_is_decoded_again(tmp_path, change):
    folder = write_folder(tmp_path / "a", members(2, 2))
    before = cache_of(folder, tmp_path)
    assert cache_of(folder, tmp_path).file == before.file
    image = folder / "c00" / "00.png"
    if change == "added":
        (folder / "c00" / "99.png").write_bytes(png(picture(0, 9)))
    elif change == "grown":
        image.write_bytes(png(picture(5, 5)) + b" ")
    elif change == "other with its time":
        old = image.stat()
        content = bytearray(image.read_bytes())
        image.write_bytes(png(picture(5, 5)).ljust(len(content))[: len(content)])
        os.utime(image, ns=(old.st_atime_ns, old.st_mtime_ns))
        assert (image.stat().st_size, image.stat().st_mtime_ns) == (old.st_size, old.st_mtime_ns)
    else:
        os.utime(image, ns=(1, 1))
    again = cache_of(folder, tmp_path)
    assert again.file != before.file
    assert (again.digest == before.digest) == (change == "touched")


def test_an_image_that_cannot_be_decoded_is_named_by_its_path(tmp_path):
    folder = write_folder(tmp_path / "a", {**members(2, 2), "c01/bad.png": b"not this"})
    with pytest.raises(DataError, match=r"c01/bad\.png: not an image"):
        cache_of(folder, tmp_path)


def test_a_missing_image_of_a_csv_is_named_by_its_row_and_path(tmp_path):
    file = write_csv(tmp_path / "a", members(2, 2))
    (tmp_path / "a" / "c01" / "00.png").unlink()
    with pytest.raises(DataError, match=r"labels\.csv: row 2: .*c01/00\.png: cannot be read \(No"):
        cache_of(file, tmp_path)


def test_labels_of_a_csv_are_text_and_several_columns_are_joined(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("path,group,label\nx.png,1,007\ny.png,2,7\n")
    assert CsvImages(file, "path", ["label"]).class_names == ["007", "7"]
    assert CsvImages(file, "path", ["group", "label"]).class_names == ["1/007", "2/7"]


BAD = {
    "path,label\na.png,x\n": (
        r"has no column 'image' \(task\.image_column\); it has 'path', 'label': "
        r"--set task\.image_column=path$"
    ),
    "image,class\na.png,x\n": r"has no column 'label' \(task\.label_column\)",
    "image,label\n": "needs one row",
    "image,label\na.png,x\nb.png,\n": "row 1 has no 'label'",
    "image,label\na.png,x\n,x\n": "row 1 has no 'image'",
    "image,label\na.png,x,z\n": "not a readable CSV file",
    "": "not a readable CSV file",
}


@pytest.mark.parametrize(("content", "message"), BAD.items(), ids=map(str, range(len(BAD))))
def test_a_bad_csv_is_refused_in_one_line(tmp_path, content, message):
    file = tmp_path / "a.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=message) as refused:
        CsvImages(file, "image", ["label"])
    assert "\n" not in str(refused.value)


def test_a_pipe_in_a_class_folder_is_named_and_not_waited_for(tmp_path):
    folder = write_folder(tmp_path / "a", members(2, 2))
    os.mkfifo(folder / "c01" / "zz.png")
    with pytest.raises(
        DataError, match=r"c01/zz\.png: is not a file but a folder, a pipe or a dev"
    ):
        cache_of(folder, tmp_path)


@pytest.mark.parametrize("name", ["a.csv", "a.zip", "a.parquet"])
def test_a_pipe_instead_of_a_file_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=f"{name} is a pipe or a device"):
        cache_of(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("https://a.org/x.png", "a URL is not followed: download the images, and name the files"),
        ("c00\\x.png", "write paths with / in place of \\"),
    ],
)
def test_a_path_that_is_not_of_this_machine_is_told_what_to_do(tmp_path, path, remedy):
    (tmp_path / "a.csv").write_text(f"image,label\n{path},x\n")
    with pytest.raises(DataError, match=re.escape(f"(No such file or directory); {remedy}")):
        cache_of(tmp_path / "a.csv", tmp_path)


def test_a_device_that_a_csv_names_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("image,label\n/dev/zero,x\n")
    with pytest.raises(DataError, match=r"row 0: /dev/zero: is not a file"):
        cache_of(tmp_path / "a.csv", tmp_path)


def test_a_class_folder_may_be_a_link_and_one_to_a_folder_above_is_no_circle(tmp_path):
    outside = write_folder(tmp_path / "outside", {"00.png": png(picture(9, 0))})
    folder = write_folder(tmp_path / "a", members(2, 1))
    (folder / "linked").symlink_to(outside)
    (folder / "c00" / "up").symlink_to(folder)
    assert FolderImages(folder).class_names == ["c00", "c01", "linked"]


@pytest.mark.parametrize(
    "content",
    [
        "image;label\n{0};x\n{1};y\n",
        "image\tlabel\n{0}\tx\n{1}\ty\n",
        "# by me\nimage,label\n{0},x\n{1},y\n",
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_a_list_of_images_may_have_other_separators_and_notes(tmp_path, content, suffix):
    write_folder(tmp_path, members(2, 1))
    file = tmp_path / f"list.{suffix}"
    file.write_text(content.format("c00/00.png", "c01/00.png"))
    assert cache_of(file, tmp_path).class_names == ("x", "y")


def test_images_that_a_parquet_names_by_their_paths_are_decoded_again_when_they_change(tmp_path):
    write_folder(tmp_path, members(2, 1))
    file = write_parquet(
        tmp_path / "a.parquet", image=["c00/00.png", "c01/00.png"], label=["x", "y"]
    )
    before = cache_of(file, tmp_path)
    np.testing.assert_array_equal(before.pixels[1, ..., 0], picture(1, 0))
    (tmp_path / "c01" / "00.png").write_bytes(png(picture(5, 5)) + b" ")
    after = cache_of(file, tmp_path)
    np.testing.assert_array_equal(after.pixels[1, ..., 0], picture(5, 5))
