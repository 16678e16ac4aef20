"""Two trials at a time, of two actors each, on three nodes of two CPUs; an actor is killed."""

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import ray
from ray._private.state import state as ray_state
from ray.cluster_utils import Cluster
from ray.core.generated import gcs_pb2
from ray.util import placement_group_table
from small_configs import sinusoid
from whole_sweeps import rows_of, theta_of, undisturbed_theta, write_sweep

from orchestrator.sweep.tune import tune

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RUN = ["outer.steps=600", "evaluation.every=200", "checkpoint.every=200"]
RATES = [0.05, 0.02, 0.01]
NODES, CPUS_EACH = 3, 2


def living() -> list[gcs_pb2.ActorTableData]:
    """The actors that Ray knows to be alive."""
    table = ray_state._connect_and_get_accessor().get_actor_table(None, "ALIVE")
    return [gcs_pb2.ActorTableData.FromString(row) for row in table]


def groups() -> dict[str, dict]:
    """The placement groups that hold their bundles, by id."""
    return {id: g for id, g in placement_group_table().items() if g["state"] == "CREATED"}


@dataclass
class Watch:
    """Looks at Ray's state ten times a second, and kills one actor of a trial that trains."""

    out: Path
    seen: list = field(default_factory=list)
    killed: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(0.1):
            self.seen.append((living(), groups()))
            blocks = [actor for actor in self.seen[-1][0] if "BlockActor" in actor.class_name]
            trains = any(path.stat().st_size for path in self.out.glob("trials/*/metrics.jsonl"))
            if trains and blocks and not self.killed:
                self.killed = blocks[0].pid
                os.kill(self.killed, signal.SIGKILL)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    out = folder / "out"
    base = sinusoid(*RUN, "workers.count=2")
    space = {"algorithm.inner_lr": {"grid": RATES}}
    search = {"searcher": "grid", "parallel": 2}
    file = write_sweep(folder, base, {"space": space, "search": search})
    node = {"num_cpus": CPUS_EACH, "object_store_memory": 80 * 1024**2}
    head = {"include_dashboard": False, "include_log_monitor": False}
    nodes = Cluster(True, head_node_args=node | head)
    try:
        for _ in range(NODES - 1):
            nodes.add_node(**node)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        watch = Watch(out)
        thread = threading.Thread(target=watch.run)
        thread.start()
        try:
            tune(str(file), [], str(out), resume=False, verbose=False)
        finally:
            watch.over.set()
            thread.join()
        until = time.monotonic() + 30
        while (living() or groups()) and time.monotonic() < until:
            time.sleep(0.1)
        left = living(), groups()
        yield out, watch, left
    finally:
        ray.shutdown()
        nodes.shutdown()


def test_each_actor_is_in_the_placement_group_of_its_trial(watched):
    _, watch, _ = watched
    numbers = set()
    for actors, there in watch.seen:
        if not there:  # before the first trial; after the last, when the best one is tested
            continue
        of_groups: Counter[str] = Counter()
        for actor in actors:
            id = actor.placement_group_id.hex()
            assert id
            of_groups[id] += 1
            if id in there:
                assert actor.node_id.hex() in there[id]["bundles_to_node_id"].values()
        numbers.add(tuple(sorted(of_groups.values())))
        assert all(number <= 3 for number in of_groups.values())  # a driver and two actors
    assert (3, 3) in numbers


def test_no_node_is_given_more_than_it_has(watched):
    _, watch, _ = watched
    most = 0
    for _, there in watch.seen:
        taken: Counter[str] = Counter()
        for group in there.values():
            assert sorted(bundle["CPU"] for bundle in group["bundles"].values()) == [1, 1, 1]
            taken.update(group["bundles_to_node_id"].values())
        assert all(number <= CPUS_EACH for number in taken.values())
        most = max(most, len(there))
    assert most == 2


def test_nothing_is_left_of_a_trial(watched):
    *_, left = watched
    assert left == ([], {})


def test_a_trial_whose_actor_dies_recovers_and_all_have_the_weights_of_one_process(watched):
    out, watch, _ = watched
    assert watch.killed
    trial_rows = rows_of(out)
    assert [row["status"] for row in trial_rows] == ["finished"] * len(RATES)
    assert sum(row["replaced_actors"] for row in trial_rows) == 1
    for row in trial_rows:
        expected = undisturbed_theta(*RUN, f"algorithm.inner_lr={row['algorithm.inner_lr']}")
        assert theta_of(out / row["run"]) == expected
