import os
import zipfile

import pytest

from orchestrator.jobs import shipping
from orchestrator.jobs.shipping import SECRET, choose, pack
from orchestrator.text.plain_text import readable_size


def write(folder, **files):
    """Write files by place, with __ for a slash and _dot_ for a leading dot."""
    for place, content in files.items():
        file = folder / place.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_code_is_shipped_and_runs_caches_and_environments_are_not(tmp_path):
    write(
        tmp_path, model="", lib__layers="", lib__runs__kept="", runs__a__theta="", _dot_git__HEAD=""
    )
    write(tmp_path, _dot_venv__x="", env__pyvenv="", _dot_ruff_cache__x="", lib__layers_pyc="")
    (tmp_path / "env" / "pyvenv").rename(tmp_path / "env" / "pyvenv.cfg")
    (tmp_path / "lib" / "layers_pyc").rename(tmp_path / "lib" / "layers.pyc")
    assert sorted(choose(tmp_path).files) == ["lib/layers", "lib/runs/kept", "model"]


def test_what_gitignore_and_rayignore_name_is_not_shipped_wherever_they_lie(tmp_path):
    write(tmp_path, _dot_gitignore="*.zip\n!small.zip\n/top\n", top="", sub__top="", a="")
    write(tmp_path, sub___dot_rayignore="/data/\n", sub__data__x="", data__x="")
    for name in ("small.zip", "large.zip", "sub/other.zip"):
        (tmp_path / name).write_text("")
    assert sorted(choose(tmp_path).files) == [
        ".gitignore",
        "a",
        "data/x",
        "small.zip",
        "sub/.rayignore",
        "sub/top",
    ]


def test_links_are_followed_within_the_folder_but_not_in_circles(tmp_path):
    write(tmp_path, data__x="345", model="12")
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "more").symlink_to(tmp_path / "data")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    shipment = choose(tmp_path)
    assert dict(shipment.files) == {"data/x": 3, "model": 2, "more/x": 3}
    assert shipment.left_out["gone"] == "a link to nothing"


def test_links_out_of_the_folder_are_left_out_and_told_unless_they_are_named(tmp_path):
    write(
        tmp_path, code__model="12", data__x="345", home___dot_aws__credentials="k", data__a_pem=""
    )
    (tmp_path / "data" / "a_pem").rename(tmp_path / "data" / "a.PEM")
    code = tmp_path / "code"
    (code / "data").symlink_to(tmp_path / "data")
    (code / "settings").symlink_to(tmp_path / "home" / ".aws")
    (code / "mine").symlink_to(tmp_path / "home" / ".aws" / "credentials")
    shipment = choose(code)
    assert dict(shipment.files) == {"model": 2}
    assert shipment.left_out == {
        "data/": f"a link out of the folder, to {tmp_path}/data",
        "settings/": f"a link out of the folder, to {tmp_path}/home/.aws",
        "mine": f"a link out of the folder, to {tmp_path}/home/.aws/credentials",
    }
    shipment = choose(code, ["data", "model"])
    assert dict(shipment.files) == {"data/x": 3, "model": 2}
    assert shipment.left_out["data/a.PEM"] == SECRET
    with_a_folder = choose(code, ["settings"])
    assert with_a_folder.left_out["settings/credentials"] == SECRET


def test_a_link_to_a_secret_in_the_folder_is_left_out_like_the_secret(tmp_path):
    write(tmp_path, _dot_env="k", _dot_git__config="url", model="")
    (tmp_path / "settings").symlink_to(".env")
    (tmp_path / "config").symlink_to(".git/config")
    (tmp_path / "repository").symlink_to(".git")
    shipment = choose(tmp_path)
    assert sorted(shipment.files) == ["model"]
    assert shipment.left_out["settings"] == SECRET


def test_more_than_can_be_sent_is_refused_with_the_largest_entries_and_what_to_do(tmp_path):
    for name, size in (("data/a", 70), ("data/b", 20), ("weights", 40), ("small", 2), ("tiny", 1)):
        write(tmp_path, **{name.replace("/", "__"): ""})
        os.truncate(tmp_path / name, size * 1_000_000)
    with pytest.raises(ValueError, match=r"holds 133 MB to ship; at most 100 MB in 20000 files"):
        choose(tmp_path)
    with pytest.raises(ValueError, match=r"data/ \(90 MB\), weights \(40 MB\), small \(2 MB\)\. "):
        choose(tmp_path)
    with pytest.raises(ValueError, match=r"\.gitignore.*--working-dir.*task\.path"):
        choose(tmp_path)
    write(tmp_path, _dot_gitignore="data\n")
    assert choose(tmp_path).num_bytes < 44_000_000


def test_a_folder_of_very_many_files_is_refused_before_all_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(shipping, "MOST_FILES", 3)
    write(tmp_path, a="", b="", c="")
    choose(tmp_path)
    write(tmp_path, d="")
    with pytest.raises(ValueError, match="more than 3 files"):
        choose(tmp_path)


def test_the_limit_is_below_the_one_of_rays_dashboard():
    from ray._private.ray_constants import DASHBOARD_CLIENT_MAX_SIZE

    assert shipping.MOST_BYTES < DASHBOARD_CLIENT_MAX_SIZE


def test_the_same_files_give_the_same_archive_whenever_they_were_written(tmp_path):
    archives = []
    for name, moment in (("one", 1), ("two", 2_000_000_000)):
        write(tmp_path / name, b__x="content", a="", run="#!")
        (tmp_path / name / "run").chmod(0o755)
        os.utime(tmp_path / name / "a", (moment, moment))
        archive = tmp_path / f"{name}.zip"
        pack(choose(tmp_path / name), {".metatrain/job.sh": b"ours"}, archive)
        archives.append(archive)
    assert archives[0].read_bytes() == archives[1].read_bytes()
    with zipfile.ZipFile(archives[0]) as archive:
        assert archive.namelist() == [".metatrain/job.sh", "a", "b/x", "run"]
        assert archive.read("b/x") == b"content"
        assert archive.getinfo("run").external_attr >> 16 & 0o777 == 0o755


def test_our_own_file_takes_the_place_of_one_that_is_called_so(tmp_path):
    write(tmp_path / "code", _dot_metatrain__job="theirs")
    pack(choose(tmp_path / "code"), {".metatrain/job": b"ours"}, tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read(".metatrain/job") == b"ours"


def test_a_file_that_goes_away_is_named(tmp_path):
    write(tmp_path, a="")
    shipment = choose(tmp_path)
    (tmp_path / "a").unlink()
    with pytest.raises(ValueError, match="/a cannot be shipped: No such file"):
        pack(shipment, {}, tmp_path / "x.zip")


def test_what_is_held_is_told_of_files_and_folders(tmp_path):
    write(tmp_path, lib__layers="")
    shipment = choose(tmp_path)
    assert shipment.holds(tmp_path / "lib" / "layers")
    assert shipment.holds(tmp_path / "lib")
    assert not shipment.holds(tmp_path / "lib" / "lay")
    assert not shipment.holds(tmp_path.parent)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (999, "999 B"), (1680, "1.68 kB"), (5 * 10**9, "5 GB")]
)
def test_sizes_are_readable(size, text):
    assert readable_size(size) == text


def test_tokens_and_keys_are_never_shipped(tmp_path, monkeypatch):
    write(tmp_path, _dot_ray__auth_token="t", home___dot_ray__auth_token="t", model="")
    write(tmp_path, _dot_ssh__id_ed25519="k", _dot_aws__credentials="k", _dot_env="k", a_pem="k")
    (tmp_path / "a_pem").rename(tmp_path / "a.pem")
    write(tmp_path, mine="t", _dot_gitignore="!.env\n!auth_token\n")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "mine"))
    assert sorted(choose(tmp_path).files) == [".gitignore", "model"]


def test_the_ignore_files_of_the_repository_above_count_too(tmp_path):
    write(tmp_path, _dot_gitignore="*.log\n/sub/deep/other\n/sub2/\n/model\n", _dot_git__HEAD="")
    write(tmp_path, sub__deep__other="", sub__deep__a_log="", sub__deep__model="")
    (tmp_path / "sub" / "deep" / "a_log").rename(tmp_path / "sub" / "deep" / "a.log")
    assert sorted(choose(tmp_path / "sub" / "deep").files) == ["model"]
    assert sorted(choose(tmp_path / "sub").files) == ["deep/model"]
    (tmp_path / ".git" / "HEAD").unlink()
    (tmp_path / ".git").rmdir()
    assert "other" in choose(tmp_path / "sub" / "deep").files, "no repository, no other file"


def test_a_name_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / os.fsdecode(b"bad\xff.txt")).write_text("")
    with pytest.raises(ValueError, match=r"not UTF-8: 'bad.*rename it, or name it in \.gitignore"):
        choose(tmp_path)
