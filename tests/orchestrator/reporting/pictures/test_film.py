"""An episode before and after adaptation, filmed."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_configs import gym
from small_runs import in_process

pytest.importorskip("gymnasium")

from orchestrator.evaluate import recipe_at
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.run_folder import read_run
from orchestrator.reporting.pictures import film
from orchestrator.reporting.pictures.film import Film, shoot
from orchestrator.reporting.pictures.film_child import as_webp, replay, side_by_side
from orchestrator.reporting.pictures.render import Pictures, render
from orchestrator.storage.storage import Storage

# Shapes that are traced once for all tests.
SMALL = ["task.horizon=20", "evaluation.inner_steps=[1]", "evaluation.validation_tasks=4"]
SHOWN = "task.environment=small_gym:Shown"


def shot(*overrides):
    config = gym(*overrides, *SMALL)
    launched = in_process(config)
    weights, recipe = launched.initial_state().weights, recipe_at(config, 1.0)
    specs = held_out_blocks(config, launched.family, "test", 2, recipe, "predict")[0].specs
    return shoot(config, launched.family, weights, recipe, specs)


def frames_of(webp):
    picture = Image.open(io.BytesIO(webp))
    for number in range(picture.n_frames):
        picture.seek(number)
        yield np.asarray(picture.convert("RGB"))


def test_an_episode_is_filmed_before_and_after_adaptation():
    result = shot(SHOWN)
    assert result.missing == ""
    frames = list(frames_of(result.webp))
    assert len(frames) > 3
    # The environment paints how far its ball is, which is the same at first and then is not.
    first, last = (frame[100:].astype(int) for frame in (frames[0], frames[-1]))
    assert np.abs(first[:, 20:280] - first[:, -280:-20]).max() <= 2
    assert np.abs(last[:, 20:280] - last[:, -280:-20]).max() > 2


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("task.environment=small_gym:Slope", "has no render mode 'rgb_array' (it has none)"),
        ("task.environment=small_gym:Blind", "RuntimeError: no screen"),
        ("task.environment=small_gym:Crashing", "the process exited with -"),
    ],
)
def test_where_nothing_can_be_drawn_a_line_says_why(override, told):
    result = shot(override)
    assert result.webp == b""
    assert told in result.missing
    assert "\n" not in result.missing


def test_a_renderer_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(film, "_LIMIT_S", 0.01)
    assert shot(SHOWN) == Film(missing="drawing took more than 0.01 s")


def test_a_replay_has_the_rewards_of_the_environment():
    family = in_process(gym(SHOWN)).family
    specs = {"varied/steepness": np.array([0.4]), "rollouts": np.zeros(1, np.uint64)}
    frames, returns = replay(family, specs, 3, [[0.5], [0.5], [9.0]])
    environment = family.make(specs, 0)
    environment.reset(seed=3)
    rewards = [environment.step(np.array([push]))[1] for push in (0.5, 0.5, 1.0)]
    np.testing.assert_allclose(returns, np.cumsum([0, *rewards]))
    assert len(frames) == 4


def test_what_is_over_stays_while_the_other_goes_on():
    def take(*colours):
        frames = [Image.new("RGB", (60, 220), colour) for colour in colours]
        return "", frames, [float(time) for time in range(len(frames))]

    drawn = side_by_side([take("red", "blue"), take("red", "blue", "lime")], 2)
    assert drawn.getpixel((30, 100)) == (0, 0, 255)
    assert drawn.getpixel((98, 100)) == (0, 255, 0)


def test_a_film_is_small_whatever_is_in_it():
    rng = np.random.default_rng(0)
    noise = [
        Image.fromarray(rng.integers(0, 256, (244, 600, 3), dtype=np.uint8)) for _ in range(30)
    ]
    assert len(as_webp(noise, 30)) < 1_000_000


def test_the_page_shows_the_film_or_says_why_there_is_none(tmp_path):
    storage = Storage(str(tmp_path))
    storage.write("config.toml", b'name = "small"')
    pictures = Pictures(b"", [], Film(webp=b"a film"))
    pictures.write(storage)
    assert b"data:image/webp;base64,YSBmaWxt" in page_of(read_run(storage))
    replace(pictures, film=Film(missing="no <pygame>")).write(storage)
    page = page_of(read_run(storage))
    assert b"No animation: no &lt;pygame&gt;" in page
    assert b"image/webp" not in page
    pictures.write(storage)
    assert b"No animation" not in page_of(read_run(storage))
    assert storage.list("pictures") == ["episode.webp"]


@pytest.mark.slow
def test_a_run_in_gymnasium_is_filmed_when_its_pictures_are_drawn():
    config = gym(SHOWN, *SMALL)
    launched = in_process(config)
    weights, recipe = launched.initial_state().weights, recipe_at(config, 0.05)
    result = render(config, launched.family, launched.pool, weights, recipe)
    assert result.film.webp


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, "egl"),
        ({"DISPLAY": ":0"}, None),
        ({"MUJOCO_GL": "osmesa"}, "osmesa"),
    ],
)
def test_mujoco_draws_without_a_screen_where_there_is_none(env, expected):
    assert film._without_screen(env).get("MUJOCO_GL") == expected
