"""What README.md and the pages of docs/ say is there, is there."""

import re
import subprocess

import pages
import pytest
from pages import ROOT as REPOSITORY
from pages import block

from orchestrator.cli.registry import COMMANDS
from orchestrator.config import schema as configuration
from orchestrator.config.keys import keys_of
from orchestrator.sweep.settings import shipped_sweeps

README = (REPOSITORY / "README.md").read_text()
TEXT = pages.everything()
KEYS = {name for name, _ in keys_of(configuration.MetaConfig)} | {"task.vary"}
# Keys of the user's own below them.
OPEN = re.compile(r"^(model\.arguments|task\.arguments|task\.vary)\..*")


def commands():
    """Every `metatrain ...` of the pages, with continued lines joined."""
    joined = TEXT.replace("\\\n", " ")
    found = re.findall(rf"metatrain (?:{'|'.join(COMMANDS)})\b[^`\n]*", joined)
    assert len(found) >= 50
    return found


PAPERS = sorted(path.stem for path in configuration.PRESETS.glob("papers/*.toml"))
OF_TASKS = [name for name in configuration.presets() if name not in PAPERS]


def test_the_table_of_presets_names_every_preset_and_no_other():
    table = pages.text(REPOSITORY / "docs" / "methods.md").split("| preset |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"^\| `([^`]+)` ", table, re.M)) == OF_TASKS


def test_the_table_of_papers_names_every_preset_of_a_paper_and_no_other():
    table = pages.text(REPOSITORY / "docs" / "methods.md").split("| paper |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`([^`]+)`", table)) == PAPERS


def test_the_readme_names_every_preset_and_no_other():
    table = README.split("| what | presets |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`([^`]+)`", table)) == OF_TASKS


@pytest.mark.parametrize(
    ("command", "known"), [("train", configuration.presets()), ("tune", shipped_sweeps())]
)
def test_a_preset_in_a_command_exists(command, known):
    words = [
        match.group(1) for each in commands() if (match := re.search(rf" {command} (\S+)", each))
    ]
    names = [word for word in words if re.fullmatch(r"[a-z0-9-]+", word) and word[0] != "-"]
    assert names
    assert set(names) <= set(known)


def test_a_key_in_a_command_exists():
    keys = re.findall(r"--set '?([a-z_.]+)=", TEXT)
    assert len(keys) > 50
    for key in keys:
        # `metatrain data FILE` takes the keys of [task] without their section.
        key = OPEN.sub(r"\1", key)
        assert key in KEYS or f"task.{key}" in KEYS, key


def test_a_key_in_a_sentence_exists():
    sections = {key.partition(".")[0] for key in KEYS if "." in key}
    named = re.findall(rf"`((?:{'|'.join(sections)})\.[a-z_.]+)[`= ]", TEXT)
    assert len(named) > 80
    files = re.compile(r"\.(py|toml|json|md|keras|parquet)$")
    wrong = {OPEN.sub(r"\1", key) for key in named if not files.search(key)} - KEYS
    assert wrong == set()


def test_an_option_in_a_command_exists():
    from typer.main import get_command

    from orchestrator.cli.app import app

    known = {"--help"}
    for command in get_command(app).commands.values():
        for parameter in command.params:
            known |= set(parameter.opts)
    options = {option for line in commands() for option in re.findall(r"--[a-z-]+", line)}
    options |= set(re.findall(r"`(--[a-z-]+)(?![a-z_-])", TEXT))
    assert {"--set", "--resume", "--dry-run", "--statistics"} <= options <= known


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
def test_what_a_page_links_exists(page):
    targets = pages.links(page)
    assert targets
    assert [target for target in targets if problem(page, target)] == []


def problem(page, target):
    """Why a link leads nowhere; None: it leads somewhere."""
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    if not there.exists():
        return "no such file"
    if anchor and (there.suffix != ".md" or anchor not in pages.anchors(there)):
        return "no such heading"
    return None


def test_links_that_lead_nowhere_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One, two\n## `Three` †\n## Three\n## Three\n```\n# Four\n```\n")
    there = ["page.md", "#one-two", "page.md#three-", "#three", "#three-1"]
    assert [target for target in there if problem(page, target)] == []
    gone = ["other.md", "#four", "page.md#onetwo", "#three-2"]
    assert [target for target in gone if not problem(page, target)] == []


def test_every_page_of_the_docs_is_linked_from_another():
    linked = {
        (page.parent / target).resolve() for page in pages.PAGES for target in pages.links(page)
    }
    named = {target.partition("#")[0] for target in map(str, linked)}
    assert [page.name for page in pages.DOCS if str(page) not in named] == []


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_what_the_map_of_rooms_names_exists():
    section = README.split("## Where the code is")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert len(rows) <= 12
    checked = 0
    for line in rows:
        folder = REPOSITORY
        for name in re.findall(r"`([^`]+/)`", line.split(" | ")[0]):
            path = REPOSITORY / name if (REPOSITORY / name).exists() else folder / name
            assert path.is_dir(), f"{name} in {line!r}"
            folder = path.parent
            checked += 1
    assert checked > 20


def test_every_file_that_a_sentence_names_exists():
    made_up = {"workers/tasks/stairs", "workers/algorithms/halfway", "workers/models/waves"}
    # By the recipes of docs/extending.md.
    made_up |= {"orchestrator/cli/greet_command", "workers/losses/logcosh"}
    named = re.findall(
        r"(?<![\w/])(?:workers|orchestrator|benchmarks|tests|findings)/[\w/.-]*\w", TEXT
    )
    assert len(named) > 40
    for name in named:
        assert (REPOSITORY / name).exists() or name.removesuffix(".py") in made_up, name


def test_nothing_is_left_to_fill_in():
    variables = (
        r"\b(?:(?:METATRAIN|RAY|AWS|WANDB|XLA|ONEDNN|NPY)_[A-Z_]+|TYPE_CHECKING|OPENBLAS_\w+)\b"
    )
    assert not re.search(r"\b[A-Z]{3,}_[A-Z]{3,}\b", re.sub(variables, "", TEXT))


@pytest.mark.parametrize("name", ["run command", "test command"])
def test_ci_runs_the_commands_of_the_readme(name):
    script = (REPOSITORY / ".ci" / "run").read_text()
    function = re.search(r"^run_readme\(\) \{.*?^\}$", script, re.M | re.S).group(0)
    message = function.replace('bash -euo pipefail -c "$command"', 'printf %s "$command" >&3')
    assert message != function
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'{message}\nrun_readme "{name}" 3>&1 >/dev/null'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == block(name)
    assert f'\nrun_readme "{name}"\n' in script


def test_ci_runs_the_slow_tests_that_the_command_of_the_readme_leaves_out():
    script = (REPOSITORY / ".ci" / "run").read_text()
    command = block("test command").rpartition(" && ")[2]
    assert script.count(f"\n{command} -m slow\n") == 1


def test_the_commands_need_nothing_but_python():
    for marker in ("run command", "test command"):
        assert block(marker).startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert block("run command").endswith(".venv/bin/metatrain train")
    assert " .venv/bin/pytest" in block("test command")


def test_the_sweeps_that_the_readme_names_are_the_shipped_ones():
    chapter = pages.text(REPOSITORY / "docs" / "sweeps.md")
    assert all(f"`{name}`" in chapter for name in shipped_sweeps())
