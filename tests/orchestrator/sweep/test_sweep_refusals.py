"""Wrong files of sweeps: each gives one line with the key, the value and what is allowed."""

import pytest
from small_sweeps import BASE, SPACE, read_text, refusal

LR = '[space]\n"outer.lr" = '
KINDS = '[space]\n"algorithm.kind" = {choice = ["maml", "reptile"]}\n"outer.lr" = '
GRID = '[space]\n"algorithm.inner_lr" = {grid = [0.1, 0.2]}\n'
ONE_OF = "give exactly one of choice, grid, uniform, loguniform, quniform, randint"
REFUSALS = [
    # what follows the base -> what the one line must hold
    ("smaples = 3\n" + SPACE, ["unknown key smaples", "did you mean 'samples'", "base, metric"]),
    (
        SPACE + '[search]\nschedular = "asha"',
        ["unknown key search.schedular", "did you mean 'scheduler'"],
    ),
    (
        SPACE + '[search]\nscheduler = "hyperband"',
        ["search.scheduler must be 'none', 'asha', 'median' or 'pbt', got 'hyperband'"],
    ),
    (
        SPACE + '[search]\nsearcher = "tpe"',
        ["search.searcher must be 'random', 'grid' or 'optuna', got 'tpe'"],
    ),
    ("[space]", ["space is empty", "at least one key"]),
    ("", ["space is missing", "dotted name"]),
    ("space = 3", ["space = 3 is not a table of keys"]),
    (LR + "{uniform = [2, 1]}", ["space.outer.lr", "uniform = [2.0, 1.0]", "low end", "below"]),
    (LR + "{uniform = [1, 1]}", ["space.outer.lr", "uniform = [1.0, 1.0]", "below"]),
    (LR + "{randint = [3, 3]}", ["space.outer.lr", "randint = [3, 3]", "below"]),
    (LR + "{randint = [3, 4.5]}", ["space.outer.lr.randint[1] must be a whole number, got 4.5"]),
    (LR + "{loguniform = [0, 1]}", ["space.outer.lr", "loguniform = [0.0, 1.0]", "above 0"]),
    (LR + "{quniform = [0, 1, 0]}", ["space.outer.lr", "quniform = [0.0, 1.0, 0.0]", "step"]),
    (LR + "{quniform = [0.1, 1, 0.3]}", ["space.outer.lr", "quniform", "multiples of the step"]),
    (LR + "{quniform = [0, 1]}", ["space.outer.lr.quniform = [0, 1]", "more values"]),
    (LR + "{uniform = [0, nan]}", ["space.outer.lr.uniform[1] must be a finite number, got nan"]),
    (LR + "{choice = []}", ["space.outer.lr.choice must have at least 1 value, got []"]),
    (LR + "{uniform = [0, 1], choice = [1]}", ["space.outer.lr", ONE_OF]),
    (LR + "{}", ["space.outer.lr", ONE_OF]),
    (LR + "{unifrom = [0, 1]}", ["unknown key space.outer.lr.unifrom", "did you mean 'uniform'"]),
    (LR + "[0.1, 0.2]", ["space.outer.lr = [0.1, 0.2]", "{choice = [1, 2]}"]),
    (
        GRID + '[search]\nsearcher = "optuna"',
        ["space.algorithm.inner_lr is a grid", "search.searcher = 'optuna'", "use choice"],
    ),
    (
        GRID + '[search]\nscheduler = "pbt"',
        ["space.algorithm.inner_lr is a grid", "search.scheduler = 'pbt'", "use choice"],
    ),
    (
        GRID + '"outer.lr" = {uniform = [0, 1]}\n[search]\nsearcher = "grid"',
        ["search.searcher = 'grid'", "space.outer.lr is not a grid", "searcher = 'random'"],
    ),
    (
        SPACE + '[search]\nsearcher = "optuna"\nscheduler = "pbt"',
        ["search.searcher = 'optuna'", "'pbt'", "set searcher = 'random'"],
    ),
    (
        LR + '{choice = [1], when = {"algorithm.kind" = "maml"}}',
        ["space.outer.lr", "algorithm.kind is not in the space"],
    ),
    (
        LR + '{choice = [1], when = {"outer.lr" = 1}}',
        ["space.outer.lr depends on itself"],
    ),
    (
        KINDS + '{choice = [1], when = {"algorithm.kind" = "anil"}}',
        ["space.outer.lr", "algorithm.kind = 'anil'", "values are 'maml', 'reptile'"],
    ),
    (
        KINDS + '{choice = [1], when = {"algorithm.kind" = []}}',
        ["space.outer.lr", "algorithm.kind = []", "values are 'maml', 'reptile'"],
    ),
    (
        LR + '{choice = [1], when = {"outer.steps" = []}}\n"outer.steps" = {randint = [1, 5]}',
        ["space.outer.lr", "outer.steps = [], which it never is"],
    ),
    (
        KINDS + '{choice = [1], when = {"algorithm.kind" = "maml"}}\n'
        '"outer.steps" = {choice = [9], when = {"outer.lr" = 1}}',
        ["space.outer.steps depends on outer.lr", "its own `when`"],
    ),
    (
        LR + '{choice = [1], when = {"algorithm.inner_lr" = 0.1}}\n'
        '"algorithm.inner_lr" = {uniform = [0.1, 0.2]}',
        ["space.outer.lr", "a value from a range never is exactly", "as a choice"],
    ),
    (
        '[space]\n"outer.lr" = {choice = [1]}\n[space.outer]\nlr = {choice = [2]}',
        ["space.outer.lr is given twice"],
    ),
    ('[space]\n"workers.count" = {choice = [1]}', ["space.workers.count is not a hyperparameter"]),
    ('[space]\n"evaluation.tasks" = {choice = [1]}', ["space.evaluation.tasks is not a hyper"]),
    ('[space]\nname = {choice = ["a"]}', ["space.name is not a hyperparameter", "[overrides]"]),
    (
        "[overrides]\nouter.lr = 0.1\n" + LR + "{choice = [1]}",
        ["outer.lr is in the space and also has a value", "leave one of them out"],
    ),
    ("samples = 0\n" + SPACE, ["samples must be at least 1, got 0"]),
    ('samples = "3"\n' + SPACE, ["samples must be a whole number, got '3'"]),
    ("top = true\n" + SPACE, ["top must be a whole number, got True"]),
    ('mode = "least"\n' + SPACE, ["mode must be 'min' or 'max', got 'least'"]),
    (SPACE + "[search]\nparallel = 0", ["search.parallel must be at least 1, got 0"]),
    ("overrides = 3\n" + SPACE, ["overrides must be a table of keys, got 3", "dotted name"]),
]


@pytest.mark.parametrize(("text", "expected"), REFUSALS, ids=lambda x: " ".join(x)[:40])
def test_a_bad_sweep_gives_one_line_with_the_key_the_value_and_what_is_allowed(
    tmp_path, text, expected
):
    message = refusal(read_text, tmp_path, BASE + text)
    assert message.startswith(f"{tmp_path / 's.toml'}: ")
    assert [part for part in expected if part not in message] == [], message
