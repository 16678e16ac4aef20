import json

import numpy as np
import pytest
from inline_command import metatrain
from shown_protocol import odd_keys
from small_configs import navigation
from small_learners import run_of

from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")


def test_as_json_the_returns_are_those_that_python_gives(capsys, monkeypatch):
    run = run_of(navigation())
    words = ["--env", "navigation", "--env-arg", "goal=0.3,-0.2", "--seed", 5, "--json"]
    code, out, err = metatrain(capsys, monkeypatch, "adapt-policy", run, *words)
    assert code == 0, err
    document = json.loads(out)
    policy = Learner.load(run).adapt_to("navigation", {"goal": (0.3, -0.2)}, seed=5)
    np.testing.assert_array_equal(document["returns"], policy.returns)
    assert document["protocol"]["environment"] == "navigation goal=0.3,-0.2"
    assert (document["protocol"]["episodes_per_inner_step"], odd_keys(document)) == (4, [])
    assert document["protocol"]["evaluation_episodes"] == 3
    assert "Return of an episode" in err
