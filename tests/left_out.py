"""Which cases are slow, and the report at the end: tests left out, and the last process."""

import time
from collections import defaultdict

import pytest

#: What pytest.ini_options.addopts leaves out, and how it is run.
_HOW = "run these alone with -m slow, all tests with -m ''"
_KEY = "left_out"


class LeftOut:
    """A plugin that counts the tests that are not run, in each process, and reports them once."""

    def __init__(self):
        self.slow, self.ended_s = 0, {}

    @pytest.hookimpl(tryfirst=True)  # before slow tests are deselected
    def pytest_collection_modifyitems(self, items):
        mark_all_but_quick(items)

    def pytest_deselected(self, items):
        self.slow += sum(item.get_closest_marker("slow") is not None for item in items)

    def pytest_sessionfinish(self, session):
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[_KEY] = self.slow

    def pytest_testnodedown(self, node):
        # All processes collect the same tests.
        self.slow = getattr(node, "workeroutput", {}).get(_KEY, self.slow)

    def pytest_runtest_logreport(self, report):
        if hasattr(report, "node"):
            self.ended_s[report.node] = time.monotonic()

    def pytest_terminal_summary(self, terminalreporter):
        if self.slow:
            tests = "test that is" if self.slow == 1 else "tests that are"
            terminalreporter.write_line(f"left out: {self.slow} {tests} marked slow; {_HOW}")
        if len(self.ended_s) > 1:
            *_, last_but_one, last = sorted(self.ended_s.values())
            alone = f"{last - last_but_one:.0f} s"
            terminalreporter.write_line(
                f"the last of {len(self.ended_s)} processes was alone for {alone}"
            )


def mark_all_but_quick(items):
    """Mark the cases of a test as slow that its mark `quick` does not name.

    Raises:
      pytest.UsageError: a mark names a case that the test does not have.
    """
    cases = defaultdict(set)
    for item in items:
        if (quick := item.get_closest_marker("quick")) is not None:
            case = item.callspec.id
            cases[item.nodeid.removesuffix(f"[{case}]"), quick.args].add(case)
            if case not in quick.args:
                item.add_marker(pytest.mark.slow)
    for (name, quick), found in cases.items():
        if len(found) > 1 and (missing := set(quick) - found):
            raise pytest.UsageError(f"{name} is marked quick for {sorted(missing)}: no such case")
