"""The order in which test files run: the longest first, or shuffled.

Processes take file after file, so none is left alone for long if the short ones come last.
"""

import random
from pathlib import Path

import pytest

#: Seconds and file, of those that take long; made by benchmarks/suite/suite_profile.py.
LONGEST = Path(__file__).with_name("longest_files.txt")


def pytest_addoption(parser):
    parser.addoption(
        "--shuffle-files",
        metavar="SEED",
        help="run the files in a random order; 'any' draws a seed, and prints it",
    )


def pytest_configure(config):
    if hasattr(config, "workerinput"):  # a process of pytest-xdist, which reads the option again
        config.option.shuffle_files = config.workerinput["shuffle_files"]
    elif config.option.shuffle_files == "any":
        config.option.shuffle_files = str(random.SystemRandom().randrange(10**6))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["shuffle_files"] = node.config.option.shuffle_files


def pytest_report_header(config):
    seed = config.option.shuffle_files
    return None if seed is None else f"files in a random order: --shuffle-files={seed}"


def pytest_collection_modifyitems(config, items):
    root = Path(__file__).parent.parent
    files = sorted({str(item.path.relative_to(root)) for item in items})
    if config.option.shuffle_files is None:
        seconds = longest()
        files.sort(key=lambda file: -seconds.get(file, 0.0))
    else:
        random.Random(config.option.shuffle_files).shuffle(files)
    place = {file: i for i, file in enumerate(files)}
    items.sort(key=lambda item: place[str(item.path.relative_to(root))])


def longest():
    """Seconds by file."""
    rows = (line.split(maxsplit=1) for line in LONGEST.read_text().splitlines())
    return {file: float(seconds) for seconds, file in rows}
