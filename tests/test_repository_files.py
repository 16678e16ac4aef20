"""Files about the repository agree with the project."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def test_the_citation_is_of_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]


def test_the_workflow_runs_what_must_be_green_and_builds_the_docs():
    runs = {
        name: [step["run"] for step in job["steps"] if "run" in step]
        for name, job in WORKFLOW["jobs"].items()
    }
    assert runs["all"] == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert runs["oldest"] == [".ci/oldest.sh"]
    assert os.access(ROOT / ".ci" / "oldest.sh", os.X_OK)
    assert any(command.startswith("sphinx-build -W docs") for command in runs["docs"])
    assert "docs" in PROJECT["optional-dependencies"]


def test_each_dependency_has_a_lower_bound_that_can_be_installed_alone():
    script = ROOT / ".ci" / "oldest_versions.py"
    printed = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=True
    ).stdout.split()
    requirements = list(map(Requirement, PROJECT["dependencies"]))
    assert [line.partition("==")[0] for line in printed] == [each.name for each in requirements]
    for line, requirement in zip(printed, requirements, strict=True):
        assert requirement.specifier.contains(line.partition("==")[2])


def test_the_hooks_before_a_commit_are_checks_of_ci():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    checks = (ROOT / ".ci" / "run").read_text()
    tools = [hook["entry"].split()[0] for hook in hooks]
    assert tools == ["ruff", "ruff", "mypy"]
    assert all(hook["entry"] in checks for hook in hooks)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_a_form_asks_little(form):
    fields = yaml.safe_load(form.read_text())["body"]
    assert 1 <= len(fields) <= 3
    assert any(field.get("validations", {}).get("required") for field in fields)
