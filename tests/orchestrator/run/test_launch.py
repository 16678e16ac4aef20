import pytest
from small_configs import sinusoid

from orchestrator.run import launch
from orchestrator.run.launch import ActorDemand, actor_demand, worthwhile_actors
from workers.execution import runtime
from workers.execution.fingerprint import fingerprint
from workers.tasks.registry import make_family
from workers.wire.errors import FingerprintError


@pytest.mark.parametrize(
    ("step_s", "num_blocks", "slots", "num_steps", "count", "because"),
    [
        (0.002, 1, 2, 100_000, 0, "single block"),
        (9.0, 1, 64, 100_000, 0, "single block"),
        (0.004, 8, 2, 1_000_000, 0, "sharing it would take longer"),
        (0.15, 8, 1, 100_000, 0, "room for one actor"),
        (0.15, 8, 2, 10, 0, "sharing 10 steps would save less time than Ray takes to start"),
        (0.15, 8, 2, 10_000, 2, "long enough"),
        (0.15, 8, 64, 10_000, 8, "long enough"),
        (0.15, 3, 2, 10_000, 2, "long enough"),
    ],
)
def test_actors_are_taken_where_they_save_more_than_they_cost(
    step_s, num_blocks, slots, num_steps, count, because
):
    chosen, why = worthwhile_actors(step_s, num_blocks, slots, num_steps)
    assert chosen == count
    assert because in why
    assert "a step takes" in why


EIGHT_BLOCKS = ["outer.meta_batch_size=16", "workers.block_size=2"]


@pytest.mark.parametrize(
    ("count", "slots", "wanted"),
    [
        ("3", None, ActorDemand(3)),
        ("0", None, ActorDemand(0)),
        ("auto", None, ActorDemand(None)),
        ("auto", 4, ActorDemand(4, elastic=True)),
        ("auto", 64, ActorDemand(8, elastic=True)),
        ("auto", 0, ActorDemand(1, elastic=True)),
        ("2..6", None, ActorDemand(6, 2)),
        ("2..64", 64, ActorDemand(8, 2)),
        ("12..64", 64, ActorDemand(12, 12)),
    ],
)
def test_how_many_actors_are_wanted(monkeypatch, count, slots, wanted):
    """slots: of the cluster that RAY_ADDRESS names, if it names one."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if slots is not None:
        monkeypatch.setenv("RAY_ADDRESS", "a cluster's")
        monkeypatch.setattr(launch, "_cluster_slots", lambda config: slots)
    assert actor_demand(sinusoid(f"workers.count={count}", *EIGHT_BLOCKS)) == wanted


class Actors:
    """Stands for a pool of Ray's."""

    name = "2 Ray actors"
    closed = False

    def close(self):
        self.closed = True


def test_a_launch_that_is_refused_ends_its_actors(monkeypatch):
    config, actors = sinusoid("workers.count=2"), Actors()
    monkeypatch.setattr(launch, "_ray_pool", lambda *arguments: actors)
    runtime.start_tensorflow(0)
    reference = {**fingerprint(""), "numpy": "0.1"}
    message = r"not continue with the same bits here: numpy: '.+' here, '0.1' there \("
    with pytest.raises(FingerprintError, match=message):
        launch.launch(config, make_family(config.task), reference, say=lambda text: None)
    assert actors.closed
