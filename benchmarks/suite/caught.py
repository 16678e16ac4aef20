"""A pytest plugin for breaks.py: which test failed first, and which code was tested.

pytest -p caught --caught-in=FILE --caught-modules=a,b.c writes {"test": ..., "problem": ...} into
FILE. problem: why the run did not test these modules; "" if it did.
"""

import importlib
import json
from pathlib import Path

import pytest

_FAILED: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    parser.addoption("--caught-in", default="")
    parser.addoption("--caught-modules", default="")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Record a failure, also of a fixture."""
    if report.failed:
        _FAILED.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Check where the modules come from, also those that no test has imported."""
    config = session.config
    if not config.getoption("--caught-in"):
        return
    modules = str(config.getoption("--caught-modules")).split(",")
    problems = [_problem(name, config.rootpath) for name in modules if name]
    result = {"test": [*_FAILED, ""][0], "problem": "; ".join(filter(None, problems))}
    Path(config.getoption("--caught-in")).write_text(json.dumps(result))


def _problem(name: str, root: Path) -> str:
    """Return why a module was not tested; "" if it was."""
    try:
        file = importlib.import_module(name).__file__
    except Exception as error:
        return f"{name} cannot be imported: {type(error).__name__}: {error}"
    inside = file is not None and Path(file).resolve().is_relative_to(root.resolve())
    return "" if inside else f"{name} is imported from {file}"
