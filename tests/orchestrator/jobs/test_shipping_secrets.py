"""Secrets are not shipped: by git, by names, by contents; and what --include overrides."""

import io
import subprocess
import sys
import zipfile

import pytest
from secret_samples import CONTENTS, NAMES, OTHERS
from small_dashboard import SmallDashboard, serving

from orchestrator.cli.app import main
from orchestrator.config.schema import PRESETS
from orchestrator.jobs.secret_contents import MOST_BYTES, secret_in
from orchestrator.jobs.secret_names import is_secret
from orchestrator.jobs.shipping import SECRET, choose


def write(folder, *places):
    for place in places:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text("x")


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize("place", NAMES)
def test_a_customary_name_of_a_secret_is_known(place):
    assert is_secret(place)


@pytest.mark.parametrize("place", OTHERS)
def test_a_name_of_code_or_data_is_not_taken_for_a_secrets(place):
    assert not is_secret(place)


def test_outside_of_git_no_file_is_shipped_under_a_name_of_secrets(tmp_path):
    write(tmp_path, *NAMES, *OTHERS)
    shipment = choose(tmp_path)
    assert set(shipment.files) == set(OTHERS)
    assert {place for place, why in shipment.left_out.items() if why == SECRET} == set(NAMES)


def test_in_a_work_tree_what_git_tracks_is_shipped_but_under_no_name_of_secrets(tmp_path):
    write(tmp_path, *NAMES, *OTHERS, "new.py", "data/a", "data/b", "kept/x.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", *NAMES, *OTHERS, "kept")
    (tmp_path / "model.py").write_text("changed")
    (tmp_path / "keys.csv").unlink()
    (tmp_path / "more.log").write_text("")
    shipment = choose(tmp_path)
    assert set(shipment.files) == {*OTHERS, "kept/x.log"} - {"keys.csv"}
    assert shipment.files["model.py"] == 7
    others = {place: why for place, why in shipment.left_out.items() if why != SECRET}
    assert others == {
        "new.py": "git does not track it",
        "data/": "git does not track it",
        "more.log": "an ignore file names it",
    }


def test_a_folder_within_a_work_tree_is_shipped_alone_with_its_submodules(tmp_path):
    library, repository = tmp_path / "library", tmp_path / "repository"
    for folder in (library, repository):
        folder.mkdir()
        git(folder, "init", "-q")
    write(library, "layers.py")
    git(library, "add", ".")
    git(library, "commit", "-qm", "a")
    write(repository, "other/x", "code/model.py", "code/notes", "code/skip.py")
    git(repository, "submodule", "add", str(library), "code/lib")
    git(repository, "add", "other", "code")
    git(repository, "rm", "-q", "--cached", "code/notes")
    (repository / "code" / ".rayignore").write_text("skip.py\n")
    shipment = choose(repository / "code")
    assert set(shipment.files) == {"lib/layers.py", "model.py"}
    assert shipment.left_out["skip.py"] == "an ignore file names it"
    assert shipment.left_out["notes"] == "git does not track it"


def test_links_that_git_tracks_are_followed_within_the_folder_alone(tmp_path):
    folder = tmp_path / "code"
    write(tmp_path, "home/.ssh/id_rsa", "code/lib/a.py", "code/lib/new.py")
    (folder / "ours").symlink_to("lib")
    (folder / "keys").symlink_to(tmp_path / "home" / ".ssh")
    (folder / "config").symlink_to(".git/config")
    git(folder, "init", "-q")
    git(folder, "add", "lib/a.py", "ours", "keys", "config")
    shipment = choose(folder)
    assert set(shipment.files) == {"lib/a.py", "ours/a.py"}
    assert shipment.left_out["keys/"] == f"a link out of the folder, to {tmp_path}/home/.ssh"
    assert shipment.left_out["config"] == SECRET


def test_a_repository_that_git_does_not_read_is_refused(tmp_path):
    write(tmp_path, "a.py")
    git(tmp_path, "init", "-q")
    (tmp_path / ".git" / "config").write_text("[core\n")
    with pytest.raises(ValueError, match=r"work tree that git cannot read \(.*config.*\); repair"):
        choose(tmp_path)


def test_without_git_the_ignore_files_and_the_names_decide(tmp_path, monkeypatch):
    write(tmp_path, "a.py", ".env", "b.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q")
    monkeypatch.setenv("PATH", "/nowhere")
    assert set(choose(tmp_path).files) == {".gitignore", "a.py"}


def test_what_is_named_is_shipped_too_and_a_secret_by_its_very_path_alone(tmp_path):
    write(tmp_path, "a.py", "new.py", "data/a.csv", "data/.env", "data/b.key", "[v1]/x", "c.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    assert set(choose(tmp_path, ["data", "./new.py"]).files) == {"a.py", "new.py", "data/a.csv"}
    assert set(choose(tmp_path, ["*.csv", "*.log"]).files) == {"a.py", "data/a.csv", "c.log"}
    assert set(choose(tmp_path, ["[v1]"]).files) == {"a.py", "[v1]/x"}
    assert set(choose(tmp_path, ["data/.env"]).files) == {"a.py", "data/.env"}
    for wrong, why in (("nosuch", "names no file"), ("../x", "is not in"), (".", "names no file")):
        with pytest.raises(ValueError, match=f"--include '?{wrong}'? {why}"):
            choose(tmp_path, [wrong])


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_a_content_that_looks_like_a_key_or_token_is_known_with_its_line(content):
    assert secret_in(f"a = 1\nb = '{content}'\n".encode()).endswith(" in line 2")
    assert secret_in(content.encode("utf-16"))


@pytest.mark.parametrize(
    "content",
    [
        b"-----BEGIN CERTIFICATE-----",
        b"-----BEGIN PUBLIC KEY-----",
        b"a" * 200,
        b"QUtJQUlPU0ZPRE5ON0FBQUFBAKIAIOSFODNN7ABCDEFG" * 9,  # as in a picture's base64
        b"class='sk-toggleable__content sk-toggleable__label-arrow-of-a-long-name'",
        b"npm_config_registry_of_a_long_name_with_underscores = 1",
        b"http://user:password@host",
        b"os.environ['AWS_SECRET_ACCESS_KEY']",
    ],
)
def test_other_contents_are_not_taken_for_secrets(content):
    assert secret_in(content) == ""


def test_a_file_with_such_a_content_is_refused_unless_it_is_named(tmp_path):
    write(tmp_path, "a.py", "large.txt")
    (tmp_path / "notes.txt").write_text("\n" + CONTENTS["GitHub"])
    (tmp_path / "large.txt").write_text("x" * MOST_BYTES + CONTENTS["GitHub"])
    shipment = choose(tmp_path)
    with pytest.raises(
        ValueError, match=r"notes.txt \(it looks like a token of GitHub's in line 2"
    ):
        shipment.check()
    assert list(shipment.suspects) == ["notes.txt"]
    named = choose(tmp_path, ["notes.txt"])
    named.check()
    assert set(named.files) == {"a.py", "large.txt", "notes.txt"}


def test_a_file_of_secrets_that_the_environment_names_is_left_out(tmp_path, monkeypatch):
    write(tmp_path, "a.py", "mine")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "mine"))
    shipment = choose(tmp_path)
    assert set(shipment.files) == {"a.py"}
    assert shipment.left_out["mine"].startswith("GOOGLE_APPLICATION_CREDENTIALS names it")


# The command.


def metatrain(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    return code, output.out, output.err


def test_a_dry_run_shows_files_with_sizes_and_what_is_left_out_and_sends_nothing(
    tmp_path, monkeypatch, capsys
):
    write(tmp_path, "model.py", ".env", "new.py", "e\x1b[31mvil.py")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-f", "model.py", ".env")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    words = ["submit", "--dry-run", "--include", "e*vil.py", "--", "train", "sinusoid"]
    code, out, _ = metatrain(monkeypatch, capsys, *words)
    assert code == 0
    lines = out.splitlines()
    assert lines[:4] == [
        r"     1 B  e\x1b[31mvil.py",
        "     1 B  model.py",
        f"not sent  .env: {SECRET}",
        "not sent  new.py: git does not track it",
    ]
    assert lines[4].startswith("2 files, ")
    assert lines[5].startswith("command: train sinusoid --out ")
    assert lines[-1] == "nothing was sent (--dry-run)"
    (tmp_path / "model.py").write_text(CONTENTS["AWS"])
    code, out, err = metatrain(monkeypatch, capsys, *words)
    assert code == 2
    assert "not sent  model.py: it looks like an access key of AWS' in line 1" in out
    (line,) = err.splitlines()
    assert "model.py (it looks like an access key of AWS' in line 1)" in line


def test_an_archive_holds_no_secret_and_notes_name_what_is_left_here(tmp_path, monkeypatch, capsys):
    code = tmp_path / "code"
    write(tmp_path, *(f"code/{name}" for name in NAMES), "code/model.py", "home/.ssh/id_rsa")
    (code / "link").symlink_to(tmp_path / "home" / ".ssh")
    monkeypatch.chdir(code)
    board = SmallDashboard(**{"/api/packages": (404, ""), "GET /api/jobs": (200, "[]")})
    with serving(board) as address:
        _, _, err = metatrain(
            monkeypatch, capsys, "submit", "--address", address, "--", "train", "sinusoid"
        )
    bodies = [body for line, body in board.asked if line.startswith("PUT /api/packages")]
    assert bodies
    with zipfile.ZipFile(io.BytesIO(bodies[0])) as archive:
        assert archive.namelist() == [".metatrain/job.sh", "model.py"]
    assert f"and {len(NAMES) - 5} more: {SECRET}" in err
    assert f"not sent: link/: a link out of the folder, to {tmp_path}/home/.ssh" in err


def test_a_file_that_git_does_not_track_is_refused_with_the_option_that_sends_it(
    tmp_path, monkeypatch, capsys
):
    write(tmp_path, "a.py")
    (tmp_path / "mine.toml").write_text((PRESETS / "sinusoid.toml").read_text())
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "a.py")
    monkeypatch.chdir(tmp_path)
    words = ["--dry-run", "--", "train", "mine.toml"]
    code, _, err = metatrain(monkeypatch, capsys, "submit", *words)
    assert code == 2
    assert "mine.toml is not shipped: git does not track it; give --include mine.toml" in err
    code, out, _ = metatrain(monkeypatch, capsys, "submit", "--include", "mine.toml", *words)
    assert code == 0
    assert "command: train mine.toml" in out
