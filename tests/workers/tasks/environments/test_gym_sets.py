"""Families of finite sets of environments: listed ones, and combinations of choices."""

import numpy as np
import pytest
from small_gym_families import added, breaking, rolled, task_of

from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.gym import GymFamily
from workers.tasks.environments.gym_inspection import _MOST_COMPARED
from workers.tasks.splits import SPLITS
from workers.wire.protocol import Draw

pytest.importorskip("gymnasium")

#: Two environments with the same spaces, and arguments and attributes of each.
LISTED = (
    {"id": "small_gym:Slope", "steepness": 0.25},
    {"id": "small_gym:Slope", "steepness": 0.5, "friction": 0.0},
    {"id": "small_gym:Tilted", "tilt": 0.75},
    {"id": "small_gym:Tilted"},
)


def family_of(*listed, **changes):
    changes.setdefault("name", None)
    return GymFamily(task_of(environments=listed, **changes))


def all_of(family, split="train", number=12):
    return family.sample(Draw(0, split, 0), 0, number, 0, 0)


def made(family, split="train", number=12):
    specs = all_of(family, split, number)
    return [family.make(specs, task) for task in range(number)]


def test_a_task_is_one_of_the_listed_environments():
    family = family_of(*LISTED, split=False)
    specs = all_of(family)
    assert {type(family.make(specs, task)).__name__ for task in range(12)} == {"Slope", "Tilted"}
    observed = rolled(family, specs, [0.0])[1]
    steepness = np.array([0.25, 0.5, 0.75, 1.0])[specs["combination"]]
    np.testing.assert_allclose(observed[:, 0, 1], -0.1 * steepness, rtol=1e-5)


def test_nothing_of_a_task_stays_in_the_next():
    """Neither an attribute that only some have, nor anything of another environment."""
    family = family_of(*LISTED, split=False)
    first = rolled(family, all_of(family), [0.3, 0.1])
    rolled(family, all_of(family, "test"), [0.9])
    for one, again in zip(first, rolled(family, all_of(family), [0.3, 0.1]), strict=True):
        np.testing.assert_array_equal(one, again)


def test_an_attribute_that_only_some_tasks_have_does_not_stay(monkeypatch):
    """Friction is an argument of a Slope: here it is none."""
    import small_gym

    name = added(monkeypatch, lambda: small_gym.Slope())
    family = family_of({"steepness": 0.25}, {"friction": 9.0}, name=name, split=False)
    specs = all_of(family)
    second = {key: values[specs["combination"] == 1] for key, values in specs.items()}
    expected = rolled(family, second, [0.5, 0.5])
    rolled(family, {key: values[specs["combination"] == 0] for key, values in specs.items()}, [1.0])
    for one, again in zip(expected, rolled(family, second, [0.5, 0.5]), strict=True):
        np.testing.assert_array_equal(one, again)


def test_environments_that_differ_in_attributes_alone_are_used_again():
    listed = ({"steepness": 0.1}, {"steepness": 0.9})
    family = family_of(*listed, name="small_gym:Slope", split=False)
    specs = all_of(family)
    observed = rolled(family, specs, [0.0])[1]
    assert len(family._idle) == 24
    expected = -0.1 * np.array([0.1, 0.9])[specs["combination"]]
    np.testing.assert_allclose(observed[:, 1, 1], expected, rtol=1e-5)


@pytest.mark.parametrize("split", SPLITS)
def test_tasks_of_a_split_are_of_its_environments_alone(split):
    vary = {"steepness": {"choice": [0.1, 0.2, 0.3]}, "friction": {"choice": [0, 1]}}
    family = GymFamily(task_of("small_gym:Slope", vary=vary, split=True))
    own = {(environment.steepness, environment.friction) for environment in made(family, split, 24)}
    values = family._tasks.set.splits[split]
    assert len(own) == len(values) > 0
    assert own == {
        (each["steepness"], each["friction"])
        for each in (family._tasks.set.values(i)[1] for i in values)
    }


def test_entries_with_a_split_are_of_it_with_all_choices():
    listed = [
        {"steepness": 0.1, "split": "test"},
        {"steepness": 0.2, "split": "train"},
        {"steepness": 0.3, "split": "validation"},
        {"steepness": 0.4, "split": "train"},
    ]
    vary = {"friction": {"choice": [0, 1, 2]}}
    family = family_of(*listed, name="small_gym:Slope", vary=vary)
    expected = {"train": {0.2, 0.4}, "validation": {0.3}, "test": {0.1}}
    for split, steepness in expected.items():
        own = {(each.steepness, each.friction) for each in made(family, split, 40)}
        assert own == {(steep, friction) for steep in steepness for friction in (0, 1, 2)}
    assert family.protocol("test")["different_tasks"] == 3
    moved = family_of(
        *({**entry, "split": "train"} if entry["steepness"] == 0.1 else entry for entry in listed),
        {"steepness": 0.5, "split": "test"},
        name="small_gym:Slope",
        vary=vary,
    )
    assert moved.digest != family.digest


def test_texts_and_lists_are_chosen_from_as_numbers_are():
    vary = {
        "kind": {"choice": ["ant", "bee"]},
        "goal": {"choice": [[0.5, 1], [2, 3]]},
        "grip": {"choice": [[1, 0.5], [0.25, 2]]},
    }
    for split in (None, True):
        family = GymFamily(task_of("small_gym:Robot", vary=vary, split=split))
        robots = made(family, "train", 40)
        assert {robot.kind for robot in robots} <= {"ant", "bee"}
        assert all(type(robot.goal) is list for robot in robots)
        assert all(isinstance(robot.grip, np.ndarray) for robot in robots)
        kinds = {(robot.kind, *robot.goal, *robot.grip) for robot in robots}
        assert len(kinds) == (8 if split is None else len(family._tasks.set.splits["train"]))


def test_a_list_that_an_environment_changes_is_another_one_in_the_next(monkeypatch):
    import small_gym

    class Moving(small_gym.Slope):
        def __init__(self, goal=(0, 0)):
            super().__init__()
            goal[0] += 1
            self.goal = goal

    vary = {"goal": {"choice": [[0, 1], [5, 1]]}}
    family = GymFamily(task_of(added(monkeypatch, Moving), vary=vary))
    assert {environment.goal[0] for environment in made(family)} == {1, 6}


def test_a_range_is_drawn_beside_a_set_and_each_by_itself():
    vary = {"steepness": {"uniform": [0.0, 1.0]}, "friction": {"choice": [0, 1, 2]}}
    family = GymFamily(task_of("small_gym:Slope", vary=vary, split=True))
    specs = all_of(family, "test", 30)
    assert set(specs) == {"combination", "varied/steepness", "rollouts"}
    assert len(set(specs["varied/steepness"])) == 30
    assert len(set(specs["combination"])) == 1
    (name, *_) = family.names(specs)
    assert name.startswith("friction ")
    assert f"steepness {specs['varied/steepness'][0]:.4g}" in name


def test_the_protocol_has_the_split_and_its_hash():
    listed = [{"steepness": number / 10} for number in range(10)]
    family = family_of(*listed, name="small_gym:Slope")
    told = family.protocol("test")
    assert told["split"] == "6 training, 2 validation, 2 test tasks; none is in two"
    assert (told["different_tasks"], told["split_hash"]) == (2, family._tasks.set.hash)
    assert family.protocol("train")["different_tasks"] == 6
    described = family.describe()
    assert described["test_tasks"] == "; ".join(
        family._tasks.set.names[i] for i in family._tasks.set.splits["test"]
    )
    assert described["train_tasks"].count(";") == 5
    same = family_of(*listed, name="small_gym:Slope", split=False)
    told = same.protocol("test")
    assert told["split"] == "none: training, validation and test have the same 10 tasks"
    assert "split_hash" not in told


def test_another_split_is_another_digest():
    listed = [{"steepness": number / 10} for number in range(10)]
    digests = [
        family_of(*listed, name="small_gym:Slope", **changes).digest
        for changes in ({}, {}, {"split_seed": 1}, {"split": False})
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
    assert digests[3] == GymFamily(task_of("small_gym:Slope")).digest


def test_the_code_of_every_listed_environment_is_in_the_digest():
    two = family_of({"id": "small_gym:Slope"}, {"id": "small_gym:Tilted"}, split=False).digest
    assert two != family_of({"id": "small_gym:Slope"}, split=False).digest


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        (
            ["small_gym:Slope", "small_gym:Wide"],
            r"observation space: 'small_gym:Slope' has Box\(-inf, inf, \(2,\), .*, "
            r"'small_gym:Wide' has Box\(-inf, inf, \(3,\)",
        ),
        (
            ["small_gym:Slope", "small_gym:Strong"],
            r"action space: 'small_gym:Slope' has Box\(-1.0, 1.0, .*'small_gym:Strong' has Box\(-2",
        ),
        (
            ["CartPole-v1", "Acrobot-v1"],
            r"observation space: 'CartPole-v1' has Box.*'Acrobot-v1' has Box",
        ),
        (
            ["CartPole-v1", "CartPole-v9"],
            r"task.environments: id = 'CartPole-v9' cannot be made .*version `v9`",
        ),
        (["small_gym:Slope", "small_gym:Nothing"], "id = 'small_gym:Nothing': small_gym has no cl"),
    ],
)
def test_environments_that_cannot_be_tasks_of_one_run_are_refused(listed, error):
    with pytest.raises(ValueError, match=error) as raised:
        family_of(*({"id": name} for name in listed), split=False)
    assert "\n" not in str(raised.value)


def test_values_that_change_a_space_are_refused(monkeypatch):
    import gymnasium
    import small_gym

    class Sized(small_gym.Slope):
        def __init__(self, size=2):
            super().__init__()
            self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,))

        def _seen(self):
            return np.zeros(self.observation_space.shape)

    vary = {"size": {"choice": [2, 3]}}
    with pytest.raises(ValueError, match=r"'small_gym:Added, size 2' has .*Added, size 3' has"):
        GymFamily(task_of(added(monkeypatch, Sized), vary=vary))


def test_a_space_that_differs_in_a_task_too_many_to_look_at_is_found_as_it_is_made(monkeypatch):
    import gymnasium
    import small_gym

    class Odd(small_gym.Slope):
        def __init__(self, number=0):
            super().__init__()
            if number > _MOST_COMPARED + 1:
                self.action_space = gymnasium.spaces.Discrete(2)

    listed = [{"number": number} for number in range(_MOST_COMPARED + 3)]
    family = family_of(*listed, name=added(monkeypatch, Odd), split=False)
    last = {"combination": np.array([len(listed) - 1]), "rollouts": np.zeros(1, np.uint64)}
    with pytest.raises(ValueError, match=r"action space: '.*number 0' has .*number 202' has Disc"):
        family.make(last, 0)


def test_every_environment_must_repeat_an_episode(monkeypatch):
    def step(self, action):
        import small_gym

        observation, _, *rest = small_gym.Slope.step(self, action)
        return observation, np.random.random(), *rest

    name = added(monkeypatch, breaking(step=step))
    with pytest.raises(ValueError, match=r"id = 'small_gym:Added' plays another .*: the reward of"):
        family_of({"id": "small_gym:Slope"}, {"id": name}, split=False)


def test_one_environment_of_a_list_is_nothing_that_varies():
    (note,) = family_of({"id": "small_gym:Slope"}, split=False).notes()
    assert note.startswith("task.vary is empty")


def test_arguments_of_all_environments_are_given_to_each():
    listed = [{"steepness": 0.1}, {"steepness": 0.2, "length": 3.0}]
    changes = {"arguments": {"length": 9.0}, "split": False}
    family = family_of(*listed, name="small_gym:Slope", **changes)
    assert {(each.steepness, each.length) for each in made(family)} == {(0.1, 9.0), (0.2, 3.0)}
    assert family.protocol("test")["arguments"] == "length 9"


def test_an_argument_without_a_default_may_be_in_the_list(monkeypatch):
    import small_gym

    def make(steepness):
        environment = small_gym.Slope()
        environment.steepness = steepness
        return environment

    listed = [{"steepness": 0.1}, {"steepness": 0.2}]
    family = family_of(*listed, name=added(monkeypatch, make), split=False)
    assert {environment.steepness for environment in made(family)} == {0.1, 0.2}


def test_the_default_model_is_that_of_the_listed_environments():
    listed = [{"id": "CartPole-v1"}, {"id": "CartPole-v1", "gravity": 5.0}]
    assert GymTask.default_model({"kind": "gym", "environments": listed})["kind"] == "mlp"
