import pytest
from small_images import members, omniglot, write_folder, write_parquet, write_zip

from workers.tasks.images.image_sources import find_files, open_sources, source_digest
from workers.wire.errors import DataError, SourceError


def digest_of(files):
    return source_digest(files, "image", "label")


def test_a_file_names_itself(tmp_path):
    file = write_zip(tmp_path / "a.zip", members())
    assert find_files(str(file)) == [file]


def test_several_files_stay_in_order(tmp_path):
    files = [write_zip(tmp_path / name, members()) for name in ("b.zip", "a.zip")]
    assert find_files([str(file) for file in files]) == files


def test_omniglots_folder_means_its_two_zips_and_no_other_file(tmp_path):
    for name in ("images_evaluation.zip", "images_background.zip", "more.zip"):
        write_zip(tmp_path / name, members())
    write_parquet(tmp_path / "omniglot.parquet", image=[b""], label=["a"])
    names = [file.name for file in find_files(str(tmp_path))]
    assert names == ["images_background.zip", "images_evaluation.zip"]


def test_a_folder_with_one_file_means_that_file(tmp_path):
    file = write_zip(tmp_path / "a.ZIP", members())
    (tmp_path / "README.md").write_text("")
    (tmp_path / ".b.zip").write_text("")
    assert find_files(str(tmp_path)) == [file]


def test_a_folder_with_two_files_is_refused_by_their_names(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_zip(tmp_path / name, members())
    with pytest.raises(DataError, match=r"exactly one .* holds a\.zip, b\.zip; .*task\.path="):
        find_files(str(tmp_path))


def shards(folder, *names):
    return [write_parquet(folder / f"{name}.parquet", image=[b""], label=["a"]) for name in names]


def test_a_folder_of_numbered_parts_means_all_of_them(tmp_path):
    shards(tmp_path, "train-00001-of-00002", "train-00000-of-00002")
    names = [file.name for file in find_files(str(tmp_path))]
    assert names == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]


@pytest.mark.parametrize(
    "names",
    [
        ["train-00000-of-00003", "train-00001-of-00003"],  # one is missing
        ["train-00000-of-00002", "test-00001-of-00002"],
        ["train-00000-of-00001", "other"],
    ],
)
def test_parts_that_are_not_of_one_table_are_to_be_named(tmp_path, names):
    shards(tmp_path, *names)
    with pytest.raises(DataError, match=r"name the files with --set task\.path"):
        find_files(str(tmp_path))


def test_a_folder_without_images_is_refused(tmp_path):
    (tmp_path / "c00").mkdir()
    (tmp_path / "loose.txt").write_bytes(b"")
    with pytest.raises(DataError, match="holds none"):
        find_files(str(tmp_path))


def test_a_folder_of_class_folders_means_itself(tmp_path):
    write_folder(tmp_path, members())
    (tmp_path / "README.md").write_text("")
    assert find_files(str(tmp_path)) == [tmp_path]


def test_a_folder_of_class_folders_and_a_file_is_refused_by_the_files_name(tmp_path):
    write_folder(tmp_path, members())
    (tmp_path / "labels.csv").write_text("image,label\n")
    with pytest.raises(DataError, match=r"holds folders of images and labels\.csv: name the file"):
        find_files(str(tmp_path))
    assert find_files(str(tmp_path / "labels.csv")) == [tmp_path / "labels.csv"]


def test_an_unset_path_is_the_data_folders_omniglot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    default, configured = tmp_path / "data" / "omniglot", tmp_path / "there" / "omniglot"
    for folder in (default, configured):
        folder.mkdir(parents=True)
        write_zip(folder / "a.zip", members())
    monkeypatch.delenv("METATRAIN_DATA", raising=False)
    assert find_files(None)[0].resolve() == default / "a.zip"
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path / "there"))
    assert find_files(None) == [configured / "a.zip"]
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path / "nowhere"))
    assert find_files(None)[0].resolve() == default / "a.zip"


def test_an_unset_path_without_data_says_how_to_set_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METATRAIN_DATA", "/nowhere")
    with pytest.raises(
        DataError, match=r"class folders, .*=PATH .*/nowhere/omniglot or data/omniglot either"
    ):
        find_files(None)


@pytest.mark.parametrize("name", ["missing.zip", "missing"])
def test_a_missing_path_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"{name} does not exist"):
        find_files(str(tmp_path / name))


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "a.tar").write_text("")
    with pytest.raises(DataError, match=r"a\.tar is not a \.zip, .*, \.tsv or folder"):
        find_files(str(tmp_path / "a.tar"))


def test_the_same_file_twice_is_refused(tmp_path):
    file = str(write_zip(tmp_path / "a.zip", members()))
    with pytest.raises(DataError, match="each once"):
        find_files([file, file])
    with pytest.raises(DataError, match="one or more files"):
        find_files([])


def test_the_digest_tells_contents_apart_and_not_names(tmp_path):
    one = write_zip(tmp_path / "a.zip", {"c/1.png": b"1"})
    same = tmp_path / "b.zip"
    same.write_bytes(one.read_bytes())
    other = write_zip(tmp_path / "c.zip", {"c/1.png": b"2"})
    assert digest_of([one]) == digest_of([same])
    assert len({digest_of(files) for files in ([one], [other], [one, other])}) == 3


def test_a_class_may_go_on_in_another_zip(tmp_path):
    first = write_zip(tmp_path / "a.zip", {"c/1.png": b"", "d/1.png": b""})
    second = write_zip(tmp_path / "b.zip", {"c/2.png": b"", "e/1.png": b""})
    names = [source.class_names for source in open_sources([first, second], "image", "label")]
    assert names == [["c", "d"], ["c", "e"]]


def test_a_class_of_two_zips_with_different_top_folders_is_refused(tmp_path):
    first = write_zip(tmp_path / "a.zip", {"Greek/character01/1.png": b""})
    second = write_zip(tmp_path / "b.zip", {"Latin/character01/1.png": b""})
    with pytest.raises(DataError, match=r"'character01' is in a\.zip below 'Greek' and in b\.zip"):
        open_sources([first, second], "image", "label")


def test_zips_and_parquet_files_can_be_mixed(tmp_path):
    archive = write_zip(tmp_path / "a.zip", members(1, 1))
    table = write_parquet(tmp_path / "b.parquet", image=[b""], label=["x"])
    names = [source.class_names for source in open_sources([archive, table], "image", "label")]
    assert names == [["c00"], ["x"]]


def test_omniglots_zips_have_1623_classes_of_20():
    sources = open_sources(find_files(str(omniglot())), "image", "label")
    names = [name for source in sources for name in source.class_names]
    assert [len(source.class_names) for source in sources] == [19280, 13180]
    assert len(names) == 32460
    assert len(set(names)) == 1623
    assert all(names.count(name) == 20 for name in ("Greek/character01", "ULOG/character26"))


def test_a_list_with_tabs_beside_the_data_is_not_in_the_way(tmp_path):
    file = write_zip(tmp_path / "a.zip", members())
    (tmp_path / "about.tsv").write_text("a\tb\n")
    assert find_files(str(tmp_path)) == [file]
    file.unlink()
    assert find_files(str(tmp_path)) == [tmp_path / "about.tsv"]


def test_images_of_other_formats_alone_are_told(tmp_path):
    contents = {f"c{i}/{j}.heic": b"x" for i in range(3) for j in range(2)}
    folder = write_folder(tmp_path / "photos", contents)
    message = "holds 6 .heic files, which are not read; convert them to .png or .jpg"
    with pytest.raises(SourceError, match=message):
        find_files(str(folder))
    with pytest.raises(DataError, match=message):
        open_sources([write_zip(tmp_path / "photos.zip", contents)], "image", "label")


def test_images_in_no_folder_of_a_class_are_told(tmp_path):
    folder = write_folder(tmp_path / "flat", {"a.png": b"x", "b.jpg": b"x"})
    with pytest.raises(SourceError, match="holds 2 images outside class folders; put the images"):
        find_files(str(folder))
