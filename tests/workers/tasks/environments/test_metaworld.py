"""Meta-World's environments: episodes by their seeds, goals by their numbers, errors."""

import pickle
import sys

import numpy as np
import pytest

pytest.importorskip("gymnasium")

import small_metaworld
from small_gym_families import rolled

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.tasks.environments.adapters import adapter_of
from workers.tasks.environments.gym import GymFamily
from workers.tasks.environments.metaworld import MetaWorld
from workers.wire.protocol import Draw

SPLIT = tuple({"goals": split, "split": split} for split in ("train", "validation", "test"))
ALL = Varied(choice=tuple(range(50)))


@pytest.fixture
def made_up(monkeypatch):
    small_metaworld.install(monkeypatch)


def ml1(**changes):
    task = {"environment": "metaworld:reach-v3", "environments": SPLIT, "vary": {"goal": ALL}}
    return GymFamily(GymTask(**{**task, "horizon": 5, **changes}))


def goal_of(environment):
    """What the task of the arm holds, after a reset."""
    environment.reset(seed=0)
    return environment._inner._goal


@pytest.mark.usefixtures("made_up")
def test_what_its_reset_leaves_to_chance_follows_the_seed():
    np.random.seed(3)
    before = np.random.get_state()[1].copy()
    environment = MetaWorld("reach-v3")
    first = environment.reset(seed=5)[0]
    assert not np.array_equal(first, environment.reset(seed=6)[0])
    np.testing.assert_array_equal(environment.reset(seed=5)[0], first)
    assert environment._inner.seeds[0] == environment._inner.seeds[2] != environment._inner.seeds[1]
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize("sees_goal", [False, True])
def test_goals_are_those_of_ml1_hidden_or_seen(sees_goal):
    environment = MetaWorld("reach-v3", sees_goal=sees_goal, goal_seed=7)
    own = small_metaworld.ML1("reach-v3", seed=7)
    lists = {
        "train": own.train_tasks,
        "test": own.test_tasks,
        "validation": small_metaworld.ML1("reach-v3", seed=9).train_tasks,
    }
    for environment.goals, tasks in lists.items():
        for environment.goal in (0, 49):
            goal = pickle.loads(tasks[environment.goal].data)["rand_vec"]
            np.testing.assert_array_equal(goal_of(environment), goal)
            shown = environment.reset(seed=0)[0][3:]
            np.testing.assert_array_equal(shown, goal if sees_goal else np.zeros(3))


@pytest.mark.usefixtures("made_up")
def test_ml1_trains_on_its_goals_and_tests_on_the_other_50():
    family = ml1()
    for split in ("train", "validation", "test"):
        specs = family.sample(Draw(0, split, 0), 0, 50, 1, 1)
        names = family.names(specs)
        assert all(name.endswith(f"goals {split}") for name in names)
        assert split == "train" or len(set(names)) == 50
    assert family.protocol("test")["split"] == (
        "50 training, 50 validation, 50 test tasks; none is in two"
    )


@pytest.mark.usefixtures("made_up")
def test_an_arm_is_used_again_for_other_goals():
    """Making one of Meta-World's takes as long as 400 steps."""
    family = ml1()
    specs = family.sample(Draw(0, "test", 0), 0, 3, 1, 1)
    first = rolled(family, specs, [0.5, -0.5], size=4)
    rolled(family, family.sample(Draw(0, "train", 0), 0, 3, 1, 1), [1.0], size=4)
    for one, again in zip(first, rolled(family, specs, [0.5, -0.5], size=4), strict=True):
        np.testing.assert_array_equal(one, again)
    assert len(family._idle) == 6


@pytest.mark.usefixtures("made_up")
def test_other_tasks_than_goals_have_names_of_their_own():
    """As ML10: some environments to train on, and others to test on."""
    family = GymFamily(
        GymTask(
            environments=(
                {"id": "metaworld:reach-v3", "goals": "train", "split": "train"},
                {"id": "metaworld:reach-v3", "goals": "validation", "split": "validation"},
                {"id": "metaworld:push-v3", "goals": "train", "split": "test"},
            ),
            vary={"goal": Varied(choice=(0, 1))},
            horizon=5,
        )
    )
    specs = family.sample(Draw(0, "test", 0), 0, 2, 1, 1)
    assert sorted(family.names(specs)) == [
        f"metaworld:push-v3, goal {goal}, goals train" for goal in (0, 1)
    ]


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"environment": "metaworld:rich-v3"}, "Meta-World has no 'rich-v3'; it has push-v3, reac"),
        ({"vary": {"goal": Varied(choice=(0, 50))}}, "goal = 50; Meta-World has goals 0 to 49"),
        ({"environments": ({"goals": "all"},), "split": False}, "goals = 'all'; Meta-World's are"),
        ({"arguments": {"goal_seed": -1}}, "goal_seed = -1 is no whole number from 0"),
    ],
)
def test_a_wrong_name_or_goal_is_refused(changes, error):
    with pytest.raises(ValueError, match=error):
        ml1(**changes)


def test_without_meta_world_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "metaworld", None)
    with pytest.raises(ValueError, match=r"not installed: .*pip install 'metatrain\[metaworld\]'"):
        ml1()


@pytest.mark.parametrize("name", ["metaworld:Meta-World/MT1", "Pendulum-v1", "metaworld"])
def test_what_gymnasium_makes_has_no_adapter(name):
    assert adapter_of(name) is None


def test_an_arm_that_does_not_repeat_is_refused(monkeypatch):
    class Tired(small_metaworld.Arm):
        def reset(self, seed=None, options=None):
            observation, info = super().reset()
            self.steps = getattr(self, "steps", 0) + 1
            return observation + self.steps, info

    small_metaworld.install(monkeypatch, **{"tired-v3": Tired})
    with pytest.raises(ValueError, match=r"'metaworld:tired-v3' plays another episode.*of reset"):
        ml1(environment="metaworld:tired-v3")


@pytest.mark.parametrize("name", ["reach-v3", "push-v3"])
def test_an_arm_of_the_real_one_is_as_new_at_its_next_goal(name):
    pytest.importorskip("metaworld")

    def play(environment):
        observations = [environment.reset(seed=1)[0]]
        for angle in range(10):
            action = np.sin(angle + np.arange(4)).astype(np.float32)
            observation, reward, *_ = environment.step(action)
            observations.append([*observation, reward])
        return np.concatenate(observations)

    used, new = MetaWorld(name), MetaWorld(name)
    first = play(used)
    used.goal = new.goal = 1
    np.testing.assert_array_equal(play(used), play(new))
    used.goal = 0
    np.testing.assert_array_equal(play(used), first)
    assert not first[36:39].any()


def test_the_goals_of_the_real_one_are_the_same_hidden_or_seen():
    pytest.importorskip("metaworld")
    hidden, seen = MetaWorld("reach-v3"), MetaWorld("reach-v3", sees_goal=True)
    for hidden.goals in ("train", "validation", "test"):
        seen.goals = hidden.goals
        observation = seen.reset(seed=0)[0]
        assert not hidden.reset(seed=0)[0][36:39].any()
        np.testing.assert_array_equal(observation[36:39], hidden._inner._target_pos)
        assert seen.observation_space.contains(observation)
