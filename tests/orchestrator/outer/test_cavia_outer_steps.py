"""Outer steps of CAVIA: the context parameters stay at 0, whatever the outer optimizer."""

import numpy as np
import pytest
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_the_outer_loop_learns_all_but_the_context(optimizer):
    decay = ["outer.weight_decay=0.1"] * (optimizer == "adamw")
    launch = in_process(
        sinusoid("algorithm.kind=cavia", f"outer.optimizer={optimizer}", "outer.steps=4", *decay)
    )
    start = launch.initial_state()
    outer = OuterUpdate(launch.config.outer, start)
    for _ in meta_train(launch.config, launch.family, launch.pool, outer):
        pass
    for name, before, after in zip(start.names, start.theta, outer.state().theta, strict=True):
        if name == "context/parameters":
            np.testing.assert_array_equal(after, np.zeros(10))
        else:
            assert np.abs(after - before).max() > 1e-4, name
