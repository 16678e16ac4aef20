"""Environments of gymnasium, and of a user's own."""

import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from workers.settings.environments import GymTask, Varied
from workers.tasks.environments.gym import GymFamily, told, vary
from workers.wire.protocol import Draw

pytest.importorskip("gymnasium")

FOLDER = str(Path(__file__).parents[3] / "fakes/tasks")


def task_of(name, **changes):
    vary = {key: Varied(**value) for key, value in changes.pop("vary", {}).items()}
    return GymTask(environment=name, folder=FOLDER, vary=vary, **changes)


def slopes(**changes):
    return GymFamily(task_of("small_gym:Slope", **changes))


STEEP = {"vary": {"steepness": {"uniform": [0.0, 1.0]}}}


def rolled(family, specs, actions, episodes=2):
    """What is observed, and the rewards, under fixed actions."""
    generators = [np.random.default_rng(int(seed) % 2**32) for seed in specs["rollouts"]]
    environments = family.environments(specs, episodes, generators)
    found = [environments.reset()]
    for action in actions:
        given = np.full((*found[0].shape[:2], 1), action, np.float32)
        seen, rewards, over = environments.step(given)
        found += [seen, rewards, over]
    return found


def sampled(family, lo=0, hi=3, step=0):
    return family.sample(Draw(0, "train", step), lo, hi, 0, 0)


def test_numbers_to_give_are_a_gaussian_policy_and_a_few_to_choose_from_a_categorical():
    slope, switch = slopes(), GymFamily(task_of("small_gym:Switch"))
    assert (slope.loss, slope.num_outputs, slope.input_shape) == ("gaussian_policy", 2, (2,))
    assert (switch.loss, switch.num_outputs) == ("categorical_policy", 2)


def test_a_task_has_its_own_attributes():
    family = slopes(**STEEP)
    specs = sampled(family)
    seen = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/steepness"]
    np.testing.assert_allclose(seen[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)
    # An environment is used again: nothing of the task before stays.
    others = sampled(family, step=1)
    seen = rolled(family, others, [0.0])
    expected = -0.1 * others["varied/steepness"]
    np.testing.assert_allclose(seen[1][..., 1], np.tile(expected[:, None], 2), rtol=1e-5)


def test_a_task_may_have_its_own_arguments_of_the_constructor():
    family = slopes(vary={"length": {"uniform": [0.1, 0.2]}, **STEEP["vary"]})
    specs = sampled(family)
    assert set(specs) == {"varied/length", "varied/steepness", "rollouts"}
    assert (family._arguments, family._attributes) == (["length"], ["steepness"])
    specs = sampled(GymFamily(task_of("small_gym:Slope", arguments={"length": 9.0})))
    assert set(specs) == {"rollouts"}


def test_what_varies_in_the_constructor_alone_is_given_to_it(monkeypatch):
    import small_gym

    class Hidden(small_gym.Slope):
        def __init__(self, weight=1.0):
            super().__init__()
            self.steepness = weight / 2

    monkeypatch.setattr(small_gym, "Hidden", Hidden, raising=False)
    varied = {"weight": {"choice": [1.0, 4.0]}}
    family = GymFamily(task_of("small_gym:Hidden", vary=varied))
    specs = sampled(family, hi=6)
    seen = rolled(family, specs, [0.0])
    expected = -0.1 * specs["varied/weight"] / 2
    np.testing.assert_allclose(seen[1][:, 0, 1], expected, rtol=1e-5)


def added(monkeypatch, environment):
    """To small_gym, as 'Added'."""
    import small_gym

    monkeypatch.setattr(small_gym, "Added", environment, raising=False)
    return "small_gym:Added"


def test_what_is_computed_from_an_argument_follows_it(monkeypatch):
    import small_gym

    class Heavy(small_gym.Slope):
        def __init__(self, mass=10.0):
            super().__init__()
            self.mass, self.steepness = mass, mass / 2

    varied = {"mass": {"choice": [1.0, 4.0]}}
    family = GymFamily(task_of(added(monkeypatch, Heavy), vary=varied))
    specs = sampled(family, hi=6)
    seen = rolled(family, specs, [0.0])
    np.testing.assert_allclose(seen[1][:, 0, 1], -0.05 * specs["varied/mass"], rtol=1e-5)


def test_arguments_of_a_function_and_attributes_of_a_wrapper_vary(monkeypatch):
    import gymnasium
    import small_gym

    class Dearer(gymnasium.RewardWrapper):
        price = 2.0

        def reward(self, reward):
            return self.price * reward

    def make(steepness=0.0, **more):
        environment = Dearer(small_gym.Slope(**more))
        environment.unwrapped.steepness = steepness
        return environment

    varied = {"steepness": {"uniform": [0, 1]}, "price": {"choice": [1, 4]}}
    name = added(monkeypatch, make)
    family = GymFamily(task_of(name, vary={**varied, "friction": {"choice": [0, 1]}}))
    assert (family._arguments, family._attributes) == (["steepness", "friction"], ["price"])
    specs = sampled(family)
    seen, rewards, _ = rolled(family, specs, [0.0])[1:]
    expected = -np.abs(seen[..., 0]) * specs["varied/price"][:, None]
    np.testing.assert_allclose(rewards, expected, rtol=1e-5)
    np.testing.assert_allclose(seen[:, 0, 1], -0.1 * specs["varied/steepness"], rtol=1e-5)


def test_a_function_is_given_only_what_it_takes(monkeypatch):
    """What the class of its environment would take is set."""
    import small_gym

    def make(steepness=0.0):
        return small_gym.Slope(length=3.0)

    varied = {"length": {"uniform": [1, 2]}}
    family = GymFamily(task_of(added(monkeypatch, make), vary=varied))
    assert (family._arguments, family._attributes) == ([], ["length"])


def test_what_the_class_of_a_known_name_takes_is_given_to_it():
    varied = {name: Varied(uniform=(5.0, 15.0)) for name in ("g", "m")}
    family = GymFamily(GymTask(environment="Pendulum-v1", vary=varied))
    assert (family._arguments, family._attributes) == (["g"], ["m"])
    with pytest.raises(ValueError, match=r"task\.vary\.colour: Pendulum-v1 has no such attribute"):
        GymFamily(GymTask(environment="Pendulum-v1", vary={"colour": varied["g"]}))


def test_whole_numbers_stay_whole(monkeypatch):
    import small_gym

    class Repeated(small_gym.Slope):
        def __init__(self, times=1):
            super().__init__(length=float("1" * times))

    varied = {"times": {"choice": [1, 2]}}
    family = GymFamily(task_of(added(monkeypatch, Repeated), vary=varied))
    assert family.make(sampled(family), 0).length in (1.0, 11.0)


def test_what_is_made_for_an_episode_alone_is_closed(monkeypatch):
    import small_gym

    closed = []

    class Closing(small_gym.Slope):
        def close(self):
            closed.append(self)

    family = GymFamily(task_of(added(monkeypatch, Closing), vary={"length": {"choice": [3, 4]}}))
    assert len(closed) == 1, "what was made before it was known what varies"
    specs = sampled(family, hi=2)
    generators = [np.random.default_rng(task) for task in range(2)]
    family.environments(specs, 3, generators).close()
    assert len(closed) == 1 + 6
    kept = GymFamily(task_of("small_gym:Added"))
    kept.environments(sampled(kept, hi=2), 3, generators).close()
    assert len(closed) == 1 + 6


def test_a_reward_may_be_an_array_of_one_number(monkeypatch):
    import small_gym

    class Array(small_gym.Slope):
        def step(self, action):
            seen, _, *rest = super().step(action)
            return seen, -(action**2), *rest

    family = GymFamily(task_of(added(monkeypatch, Array)))
    rewards = rolled(family, sampled(family), [0.5])[2]
    np.testing.assert_allclose(rewards, -0.25)


def test_episodes_are_a_function_of_the_seeds_whatever_was_run_before():
    family = slopes(**STEEP)
    specs = sampled(family)
    first = rolled(family, specs, [0.3, -0.2])
    rolled(family, sampled(family, step=5), [1.0])
    for before, again in zip(first, rolled(family, specs, [0.3, -0.2]), strict=True):
        np.testing.assert_array_equal(before, again)
    for before, again in zip(first, rolled(slopes(**STEEP), specs, [0.3, -0.2]), strict=True):
        np.testing.assert_array_equal(before, again)
    assert len(np.unique(first[0][..., 0])) == 6


def test_a_task_does_not_depend_on_which_others_are_drawn_with_it():
    family = slopes(**STEEP)
    whole, tail = sampled(family, hi=6), sampled(family, lo=4, hi=6)
    for name, values in tail.items():
        np.testing.assert_array_equal(values, whole[name][4:])


def test_numbers_are_clipped_to_their_bounds():
    family = slopes()
    specs = sampled(family, hi=1)
    strong, strongest = rolled(family, specs, [1.0]), rolled(family, specs, [50.0])
    np.testing.assert_array_equal(strong[1], strongest[1])
    assert family._idle[0].pushed[-2:] == [1.0, 1.0]


def test_an_episode_that_is_over_rests_and_its_own_time_limit_ends_it():
    family = GymFamily(task_of("small_gym:Switch"))
    seen = rolled(family, sampled(family, hi=1), [0, 1, 0, 1])
    rewards, over = seen[2::3], seen[3::3]
    assert [each[0, 0] for each in rewards] == [1, 0, 1, 0]
    assert [bool(each.all()) for each in over] == [False, False, True, True]
    np.testing.assert_array_equal(seen[-3], seen[-6])


def test_gymnasiums_own_environments_are_known_by_name():
    varied = {"gravity": {"uniform": [5.0, 15.0]}}
    family = GymFamily(GymTask(environment="CartPole-v1", vary={"gravity": varied["gravity"]}))
    assert (family.loss, family.input_shape) == ("categorical_policy", (4,))
    specs = sampled(family)
    rolled(family, specs, [1.0])
    values = [family._idle[2 * task].unwrapped.gravity for task in range(3)]
    np.testing.assert_array_equal(values, specs["varied/gravity"])


UNIT = np.linspace(0, 1, 1000, endpoint=False)


def test_a_number_varies_as_it_is_said():
    np.testing.assert_allclose(vary(Varied(uniform=(5, 15)), UNIT), 5 + 10 * UNIT)
    logs = np.log(vary(Varied(loguniform=(0.1, 10)), UNIT))
    np.testing.assert_allclose(logs, np.log(0.1) + UNIT * np.log(100))
    values, counts = np.unique(vary(Varied(choice=(-1, 4)), UNIT), return_counts=True)
    assert (values.tolist(), counts.tolist()) == ([-1, 4], [500, 500])
    assert told(Varied(uniform=(5, 15))) == [5, 15]
    assert told(Varied(choice=(-1, 4))) == "one of -1, 4"


@pytest.mark.parametrize(
    ("varied", "error"),
    [
        ({}, "give one of"),
        ({"uniform": (0, 1), "choice": (0, 1)}, "give one of"),
        ({"uniform": (1, 1)}, "low must be below high"),
        ({"loguniform": (0, 1)}, "low must be above 0"),
        ({"choice": (1,)}, "at least 2"),
    ],
)
def test_how_a_number_varies_is_said_in_one_way(varied, error):
    with pytest.raises(ValueError, match=error):
        Varied(**varied)


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("small_gym:Words", {}, "shows Text.*a policy sees arrays of numbers"),
        ("small_gym:Pairs", {}, "takes MultiDiscrete.*a policy chooses one of a few"),
        ("small_gym:Broken", {}, "RuntimeError: the motor is missing"),
        ("small_gym:NoEnvironment", {}, "gave a NoEnvironment, not a gymnasium.Env"),
        ("small_gym:Nothing", {}, "small_gym has no class or function 'Nothing'"),
        ("nowhere:Slope", {}, "the module nowhere cannot be imported"),
        ("Nowhere-v0", {}, "cannot be made with.*Nowhere"),
        ("small_gym:Slope", {"arguments": {"weight": 3}}, "cannot be made with \\(weight=3\\)"),
        (
            "small_gym:Slope",
            {"vary": {"colour": {"choice": [1, 2]}}},
            "task.vary.colour: .* no such attribute or argument; it has steepness, friction",
        ),
    ],
)
def test_what_cannot_be_trained_in_is_refused(name, changes, error):
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(name, **changes))


def breaking(**parts):
    """A slope with other parts."""
    import small_gym

    return type("Breaking", (small_gym.Slope,), parts)


def step_with(change):
    import small_gym

    def step(self, action):
        return change(small_gym.Slope.step(self, action))

    return step


def tired(self, action):
    """Ends its second episode, and all later ones, before the first."""
    import small_gym

    self.left -= 1
    seen, reward, *_ = small_gym.Slope.step(self, action)
    return seen, reward, self.left < 0, False, {}


def worn(self, action):
    """Rewards by chance after many steps."""
    import small_gym

    seen, reward, *rest = small_gym.Slope.step(self, action)
    return seen, reward if len(self.pushed) < 110 else np.random.random(), *rest


def reset_with(change):
    import small_gym

    def reset(self, *, seed=None, options=None):
        return change(small_gym.Slope.reset(self, seed=seed))

    return reset


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ({"observation_space": None}, "gave a Breaking without observation_space"),
        ({"reset": lambda self: None}, "reset.seed=.... raises TypeError: .*unexpected keyword"),
        ({"reset": reset_with(lambda found: found[0])}, "reset gives array.*not .observation"),
        ({"reset": reset_with(lambda found: ([7.0], {}))}, r"reset shows .* shape \[1\], .*\[2\]"),
        ({"step": step_with(lambda found: found[:4])}, "step gives .*not .observation, reward, t"),
        ({"step": step_with(lambda found: ([1.0], *found[1:]))}, r"step shows .* shape \[1\]"),
        (
            {"step": step_with(lambda found: (found[0], "much", *found[2:]))},
            "gives the reward 'much', not a number",
        ),
        (
            {"step": step_with(lambda found: (found[0], np.random.random(), *found[2:]))},
            "plays another episode the second time",
        ),
        (
            {"left": 5, "step": tired},
            "plays another episode the second time",
        ),
        (
            {"step": worn},
            "plays another episode the second time",
        ),
    ],
)
def test_an_environment_that_breaks_its_interface_is_refused(monkeypatch, parts, error):
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(added(monkeypatch, breaking(**parts))))


def test_an_observation_that_changes_its_shape_later_is_named(monkeypatch):
    shown = 2
    environment = breaking(step=step_with(lambda found: (found[0][:shown], *found[1:])))
    family = GymFamily(task_of(added(monkeypatch, environment)))
    specs = family.sample(Draw(0, "train", 0), 0, 1, 1, 1)
    episodes = family.environments(specs, 1, [np.random.default_rng(0)])
    episodes.reset()
    shown = 1
    with pytest.raises(ValueError, match=r"step shows an observation of shape \[1\], not \[2\]"):
        episodes.step(np.zeros((1, 1, 1), np.float32))


def test_pictures_have_no_linear_baseline(monkeypatch):
    environment = breaking(observation_space=gymnasium.spaces.Box(0, 1, (50, 50)))
    with pytest.raises(ValueError, match=r"there are 2500, \[50, 50\]; 1000 are allowed"):
        GymFamily(task_of(added(monkeypatch, environment)))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("step", "task.vary.step: 1.0 cannot take the place of <bound method"),
        ("dt", "task.vary.dt: small_gym:Added does not let it be set"),
    ],
)
def test_what_is_no_number_to_set_cannot_vary(monkeypatch, name, error):
    environment = breaking(dt=property(lambda self: 0.1))
    varied = {name: {"choice": [1.0, 2.0]}}
    with pytest.raises(ValueError, match=error):
        GymFamily(task_of(added(monkeypatch, environment), vary=varied))


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(ValueError, match=r"needs gymnasium: pip install 'metatrain\[gym\]'"):
        GymFamily(task_of("CartPole-v1"))
    monkeypatch.undo()
    import gymnasium

    def lacking(*given, **named):
        raise gymnasium.error.DependencyNotInstalled("no mujoco")

    monkeypatch.setattr(gymnasium, "make", lacking)
    with pytest.raises(ValueError, match=r"no mujoco; pip install 'metatrain\[mujoco\]'"):
        GymFamily(task_of("HalfCheetah-v5"))


def test_another_module_is_another_digest():
    ours = slopes().digest
    assert ours == slopes().digest
    assert ours != GymFamily(GymTask(environment="CartPole-v1")).digest


def test_a_task_is_called_by_what_varies():
    varied = {name: Varied(choice=(value, value)) for name, value in (("m", 1.5), ("g", 9.81))}
    family = GymFamily(GymTask(environment="Pendulum-v1", vary=varied))
    specs = sampled(family)
    assert family.names(specs) == ["g 9.81, m 1.5"] * len(specs["rollouts"])


def test_tasks_that_are_all_the_same_are_told():
    (note,) = GymFamily(task_of("small_gym:Slope")).notes()
    assert note.startswith("task.vary is empty, so all tasks are the same environment")
    assert GymFamily(task_of("small_gym:Slope", **STEEP)).notes() == []
