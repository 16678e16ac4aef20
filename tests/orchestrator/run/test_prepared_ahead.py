"""What a run's validations and its end need is prepared while it trains."""

import subprocess
import sys
import time
from threading import Event, Thread
from types import SimpleNamespace

import tensorflow as tf

from orchestrator.config.schema import load
from orchestrator.evaluate import blocks_of, recipes
from orchestrator.pool.base import InProcessPool
from orchestrator.reporting.pictures.render import showcase_blocks
from orchestrator.run import prepared_ahead as module
from orchestrator.run.launch import Launch
from orchestrator.run.prepared_ahead import prepared_ahead
from workers.block import BlockRunner
from workers.execution.compiled import Compiled
from workers.tasks.registry import make_family

IMPORTS = """
import sys
from orchestrator.run import prepared_ahead
assert "matplotlib.figure" not in sys.modules
[part() for part in prepared_ahead._imports()]
print([name for name in prepared_ahead._MODULES if name not in sys.modules])
"""


def test_every_module_that_is_named_is_imported():
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def opened(*settings):
    """Open what a run has: its configuration, its launch and its weights."""
    config, _ = load(
        "sinusoid",
        ["evaluation.validation_tasks=7", "evaluation.tasks=7", "workers.block_size=5", *settings],
    )
    family = make_family(config.task)
    pool = InProcessPool(BlockRunner(config.worker, family))
    launch = Launch(config, family, pool, "")
    run = SimpleNamespace(launch=launch, weights=launch.initial_state().weights)
    return config, run


def graphs(config, run):
    return [*module._graphs(config, run), *module._graph_of_pictures(config, run)]


def test_the_graphs_of_validation_test_and_pictures_are_traced():
    config, run = opened("evaluation.inner_lr=[0.01, 0.02]")
    pool, family = run.launch.pool, run.launch.family
    module._do(graphs(config, run), Event())
    assert pool.runner.num_traces == 3  # blocks of 5 and 2 tasks, and the one that is drawn
    for recipe in recipes(config):
        for split in ("validation", "test"):
            pool.run(run.weights, blocks_of(config, family, split, recipe))
        pool.run(run.weights, showcase_blocks(config, family, recipe))
    assert pool.runner.num_traces == 3


def test_blocks_that_take_long_and_those_of_actors_are_left_alone():
    assert graphs(*opened("runtime.execution=map")) == []
    assert graphs(*opened("runtime.xla=false")) == []
    config, run = opened()
    assert len(graphs(config, run)) == 2
    run.launch.pool = SimpleNamespace()
    assert graphs(config, run) == []


def test_a_part_that_fails_is_left_to_its_user_and_the_end_waits_for_the_begun_one(monkeypatch):
    begun, done = Event(), []

    def fails():
        raise RuntimeError("a part that fails")

    def slow():
        begun.set()
        time.sleep(0.05)
        done.append("slow")

    monkeypatch.setattr(module, "_graphs", lambda *_: [fails, slow, lambda: done.append("next")])
    with prepared_ahead(*opened()):
        assert begun.wait(60)
    assert done == ["slow"]


def test_threads_that_need_a_graph_at_once_compile_it_once():
    def graph(x):
        time.sleep(0.05)
        return x + 1

    compiled, made = Compiled(graph, xla=True), []
    threads = [
        Thread(target=lambda: made.append(compiled.traced((), tf.constant(1.0))[0].__self__))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    assert len(set(map(id, made))) == 1
