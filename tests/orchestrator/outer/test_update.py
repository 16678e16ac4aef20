from dataclasses import replace

import keras
import numpy as np
import pytest

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.state import MetaState
from orchestrator.outer.update import OuterUpdate, clip, make_schedule
from workers.wire.tensors import sha256, to_vector

OPTIMIZERS = ["sgd", "momentum", "adam", "adamw"]
SCHEDULES = [
    {"schedule": "constant"},
    {"schedule": "linear", "final_lr": 0.001},
    {"schedule": "cosine"},
    {"schedule": "constant", "warmup_steps": 4},
    {"schedule": "cosine", "final_lr": 0.001, "warmup_steps": 7},
    {"schedule": "staircase", "decay_steps": 3, "warmup_steps": 2},
]
STEPS = 10


NOTHING = np.zeros(0, np.float32)  # is carried


def settings(**changes):
    return OuterSettings(**{"lr": 0.1, "steps": STEPS, **changes})


def initial_state():
    rng = np.random.default_rng(0)
    theta = [rng.normal(size=shape).astype(np.float32) for shape in [(3, 4), (), (5,)]]
    return MetaState(0, theta, ["kernel", "scale", "bias"])


def gradients(num=STEPS):
    return [np.random.default_rng(i).normal(size=18).astype(np.float32) for i in range(num)]


def bits(state):
    return {name: value.tobytes() for name, value in state.optimizer.items()}


def run(outer, some_gradients):
    for gradient in some_gradients:
        outer.apply(gradient, NOTHING)
    return outer


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: "-".join(map(str, s.values())))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_five_steps_and_five_more_after_a_resume_are_ten_steps_bit_for_bit(optimizer, schedule):
    chosen = settings(optimizer=optimizer, **schedule)
    straight = run(OuterUpdate(chosen, initial_state()), gradients()).state()
    half = run(OuterUpdate(chosen, initial_state()), gradients()[:5]).state()
    assert half.step == 5
    resumed = OuterUpdate(chosen, half)
    assert (resumed.step, sha256(resumed.state().theta)) == (5, sha256(half.theta))
    end = run(resumed, gradients()[5:]).state()
    assert end.step == straight.step == 10
    assert sha256(end.theta) == sha256(straight.theta)
    assert bits(end) == bits(straight)


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "adamw"])
def test_the_optimizer_state_is_part_of_what_is_resumed(optimizer):
    chosen = settings(optimizer=optimizer)
    half = run(OuterUpdate(chosen, initial_state()), gradients()[:5]).state()
    forgetful = OuterUpdate(chosen, replace(half, optimizer={}))
    remembering = OuterUpdate(chosen, half)
    next_gradient = gradients(6)[5:]
    assert sha256(run(forgetful, next_gradient).state().theta) != sha256(
        run(remembering, next_gradient).state().theta
    )


def test_the_state_is_a_copy_with_the_shapes_and_names_it_came_with():
    outer = run(OuterUpdate(settings(), initial_state()), gradients()[:2])
    state, theta = outer.state(), outer.theta
    kept = sha256(state.theta), bits(state), theta.tobytes()
    run(outer, gradients()[2:4])
    assert kept == (sha256(state.theta), bits(state), theta.tobytes())
    assert [array.shape for array in state.theta] == [(3, 4), (), (5,)]
    assert {array.dtype for array in state.theta} == {np.dtype("float32")}
    assert state.names == ["kernel", "scale", "bias"]


def adam_steps(theta, some_gradients, lr, decay=0.0):
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    for step, gradient in enumerate(some_gradients, start=1):
        theta = theta - lr * decay * theta
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = lr * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        theta = theta - rate * mean / (np.sqrt(square) + 1e-7)
    return theta


def momentum_steps(theta, some_gradients, lr, momentum):
    velocity = np.zeros_like(theta)
    for gradient in some_gradients:
        velocity = momentum * velocity - lr * gradient
        theta = theta + velocity
    return theta


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "sgd"}, lambda theta, g: momentum_steps(theta, g, 0.1, 0.0)),
        (
            {"optimizer": "momentum", "momentum": 0.7},
            lambda theta, g: momentum_steps(theta, g, 0.1, 0.7),
        ),
        ({"optimizer": "adam"}, lambda theta, g: adam_steps(theta, g, 0.1)),
        (
            {"optimizer": "adamw", "weight_decay": 0.3},
            lambda theta, g: adam_steps(theta, g, 0.1, 0.3),
        ),
    ],
    ids=OPTIMIZERS,
)
def test_an_optimizer_is_what_its_name_says(changes, expected):
    outer = run(OuterUpdate(settings(**changes), initial_state()), gradients())
    theta = expected(to_vector(initial_state().theta).astype(np.float64), gradients())
    np.testing.assert_allclose(outer.theta, theta, rtol=1e-4, atol=1e-5)


def test_sgd_with_lr_epsilon_is_reptiles_interpolation():
    theta, epsilon = to_vector(initial_state().theta), 0.25
    adapted = [theta + gradient for gradient in gradients(4)]
    mean = np.mean(adapted, axis=0, dtype=np.float32)
    outer = OuterUpdate(settings(optimizer="sgd", lr=epsilon), initial_state())
    outer.apply(theta - mean, NOTHING)
    np.testing.assert_allclose(outer.theta, theta + epsilon * (mean - theta), rtol=1e-6, atol=1e-6)
    all_the_way = OuterUpdate(settings(optimizer="sgd", lr=1.0), initial_state())
    all_the_way.apply(theta - mean, NOTHING)
    np.testing.assert_allclose(all_the_way.theta, mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"schedule": "linear"}, {0: 1.0, 50: 0.5, 75: 0.25, 100: 0.0}),
        ({"schedule": "linear", "final_lr": 0.2}, {0: 1.0, 50: 0.6, 100: 0.2}),
        ({"schedule": "cosine"}, {0: 1.0, 25: (1 + 0.5**0.5) / 2, 50: 0.5, 100: 0.0}),
        ({"schedule": "cosine", "final_lr": 0.2}, {0: 1.0, 50: 0.6, 100: 0.2}),
        ({"warmup_steps": 4}, {0: 0.25, 1: 0.5, 3: 1.0, 4: 1.0, 100: 1.0}),
        (
            {"schedule": "linear", "final_lr": 0.2, "warmup_steps": 20},
            {0: 0.05, 9: 0.5, 19: 1.0, 20: 1.0, 60: 0.6, 100: 0.2},
        ),
        (
            {"schedule": "cosine", "final_lr": 0.2, "warmup_steps": 20},
            {0: 0.05, 19: 1.0, 20: 1.0, 60: 0.6, 100: 0.2},
        ),
        (
            {"schedule": "staircase", "decay_steps": 20},
            {0: 1.0, 19: 1.0, 20: 0.5, 39: 0.5, 40: 0.25, 1000: 0.5**50},
        ),
        (
            {"schedule": "staircase", "decay_steps": 20, "decay_factor": 0.1, "epochs": 3},
            {0: 1.0, 59: 1.0, 60: 0.1, 120: 0.01},
        ),
        (
            {"schedule": "staircase", "decay_steps": 5, "warmup_steps": 4},
            {0: 0.25, 3: 1.0, 4: 1.0, 8: 1.0, 9: 0.5, 14: 0.25},
        ),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if "schedule" in value else None,
)
def test_a_schedule_begins_at_lr_and_ends_at_final_lr(changes, expected):
    schedule = make_schedule(settings(lr=1.0, steps=100, **changes))
    rates = {step: float(schedule(keras.ops.convert_to_tensor(step))) for step in expected}
    assert rates == pytest.approx(expected, abs=1e-6)


def test_a_staircase_needs_its_steps():
    with pytest.raises(ValueError, match=r"'staircase' needs outer\.decay_steps, the steps of eq"):
        settings(schedule="staircase")


def test_more_steps_of_a_staircase_repeat_the_first_ones():
    staircase = {"schedule": "staircase", "decay_steps": 20}
    assert settings(**staircase).growable
    rates = [make_schedule(settings(lr=1.0, steps=steps, **staircase)) for steps in (40, 400)]
    assert [float(rate(30)) for rate in rates] == [0.5, 0.5]
    assert not settings(schedule="cosine").growable


def test_a_constant_schedule_is_lr_itself():
    assert make_schedule(settings(lr=0.3)) == 0.3


def test_the_schedule_is_what_the_steps_move_by():
    chosen = settings(optimizer="sgd", lr=1.0, schedule="linear", final_lr=0.2, steps=4)
    outer = OuterUpdate(chosen, initial_state())
    moves = []
    for _ in range(4):
        before = outer.theta
        outer.apply(np.ones(18, np.float32), NOTHING)
        moves.append(float(np.mean(before - outer.theta)))
    assert moves == pytest.approx([1.0, 0.8, 0.6, 0.4], abs=1e-5)


def test_clipping_by_norm_keeps_the_direction():
    gradient = gradients(1)[0]
    norm = np.linalg.norm(gradient)
    clipped = clip(gradient, settings(clip_norm=0.5))
    np.testing.assert_allclose(clipped, gradient * (0.5 / norm), rtol=1e-6)
    assert clipped.dtype == np.float32
    assert clip(gradient, settings(clip_norm=float(norm) * 1.01)).tobytes() == gradient.tobytes()


def test_clipping_by_value_clips_each_element():
    gradient = gradients(1)[0]
    clipped = clip(gradient, settings(clip_value=0.5))
    np.testing.assert_array_equal(clipped, np.clip(gradient, -0.5, 0.5))
    assert clipped.dtype == np.float32


def test_values_are_clipped_before_the_norm():
    gradient = np.array([3.0, 4.0, 100.0], np.float32)
    clipped = clip(gradient, settings(clip_value=10.0, clip_norm=1.0))
    by_value = np.array([3.0, 4.0, 10.0])
    np.testing.assert_allclose(clipped, by_value / np.linalg.norm(by_value), rtol=1e-6)


def test_clipping_does_not_touch_its_argument():
    gradient = gradients(1)[0]
    kept = gradient.tobytes()
    clip(gradient, settings(clip_value=0.1, clip_norm=0.1))
    assert gradient.tobytes() == kept


def test_a_zero_gradient_is_not_divided_by_its_norm():
    assert not clip(np.zeros(4, np.float32), settings(clip_norm=1.0)).any()


def test_the_outer_update_clips_as_it_is_told():
    chosen = settings(optimizer="sgd", lr=1.0, clip_norm=0.5)
    outer = OuterUpdate(chosen, initial_state())
    before = outer.theta
    outer.apply(gradients(1)[0], NOTHING)
    assert np.linalg.norm(before - outer.theta) == pytest.approx(0.5, rel=1e-5)


def test_a_changed_learning_rate_holds_after_a_resume():
    """`--resume --allow-changes --set outer.lr=...` must train at the new rate."""
    half = run(OuterUpdate(settings(optimizer="sgd"), initial_state()), gradients()[:1]).state()
    outer = OuterUpdate(settings(optimizer="sgd", lr=1.0), half)
    before = outer.theta
    outer.apply(np.ones(18, np.float32), NOTHING)
    np.testing.assert_allclose(before - outer.theta, 1.0, rtol=1e-5)


def test_another_optimizer_that_is_insisted_on_starts_with_its_own_moments():
    """The moments of Adam are not a velocity, whatever their place in the list."""
    half = run(OuterUpdate(settings(optimizer="adam"), initial_state()), gradients()[:3]).state()
    changed = OuterUpdate(settings(optimizer="momentum"), half)
    fresh = OuterUpdate(settings(optimizer="momentum"), replace(half, optimizer={}))
    ends = [run(outer, gradients()[3:5]).state() for outer in (changed, fresh)]
    assert {sha256(end.theta) for end in ends} == {sha256(ends[0].theta)}
    assert [end.step for end in ends] == [5, 5]


def test_the_carry_is_handed_on_and_is_part_of_the_state():
    start = MetaState(0, [np.ones(2, np.float32)], ["w"], {"mean": np.zeros((1, 2), np.float32)})
    outer = OuterUpdate(OuterSettings(), start)
    np.testing.assert_array_equal(outer.weights.carry, [0, 0])
    outer.apply(np.ones(2, np.float32), np.array([3, 4], np.float32))
    np.testing.assert_array_equal(outer.weights.carry, [3, 4])
    assert outer.weights.step == 1
    state = outer.state()
    np.testing.assert_array_equal(state.carry["mean"], [[3, 4]])
    again = OuterUpdate(OuterSettings(), state)
    for resumed_array, expected_array in zip(again.weights, outer.weights, strict=True):
        np.testing.assert_array_equal(resumed_array, expected_array)
