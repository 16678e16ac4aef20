import dataclasses

import numpy as np
import pytest
from small_configs import REPTILE_ADAM, images, sinusoid

from orchestrator.outer.blocks import held_out_blocks, train_blocks
from workers.tasks.registry import make_family
from workers.wire.protocol import Recipe

RECIPE = Recipe(0.01, 3)


@pytest.fixture(params=["sinusoid", "reptile", "images"])
def config(request, image_zip, image_cache):
    if request.param == "images":
        return images(image_zip, image_cache)
    return sinusoid(*(REPTILE_ADAM if request.param == "reptile" else []))


@pytest.fixture
def family(config):
    return make_family(config.task)


def joined(blocks):
    """The tasks of all blocks: name -> bytes."""
    names = blocks[0].specs
    return {name: np.concatenate([b.specs[name] for b in blocks]).tobytes() for name in names}


def with_block_size(config, size):
    workers = config.workers.model_copy(update={"block_size": size})
    return config.model_copy(update={"workers": workers})


def test_blocks_cover_the_tasks_of_a_step_once_and_in_order(config, family):
    blocks = train_blocks(config, family, 3)
    assert [block.index for block in blocks] == list(range(len(blocks)))
    assert [block.lo for block in blocks] == list(range(0, config.outer.meta_batch_size, 2))
    assert [block.hi for block in blocks][:-1] == [block.lo for block in blocks][1:]
    assert blocks[-1].hi == config.outer.meta_batch_size
    for block in blocks:
        assert (block.kind, block.step, block.recipe) == ("train", 3, None)
        assert {len(values) for values in block.specs.values()} == {block.hi - block.lo}


def test_the_tasks_of_a_step_do_not_depend_on_how_they_are_cut(config, family):
    cuts = [joined(train_blocks(with_block_size(config, n), family, 3)) for n in (1, 2, 3, 100)]
    assert all(cut == cuts[0] for cut in cuts)


def test_every_step_and_every_seed_has_tasks_of_its_own(config, family):
    here = joined(train_blocks(config, family, 3))
    assert joined(train_blocks(config, family, 3)) == here
    other_step = joined(train_blocks(config, family, 4))
    other_seed = joined(train_blocks(config.model_copy(update={"seed": 1}), family, 3))
    for name in here:
        if name != "turns":  # all of them are 0 where nothing is rotated
            assert len({here[name], other_step[name], other_seed[name]}) == 3, name


def test_held_out_tasks_follow_from_the_evaluations_seed_alone(config, family):
    here = joined(held_out_blocks(config, family, "test", 6, RECIPE))
    same = config.model_copy(update={"seed": 5})
    assert joined(held_out_blocks(with_block_size(same, 5), family, "test", 6, RECIPE)) == here
    evaluation = config.evaluation.model_copy(update={"seed": 2})
    other = config.model_copy(update={"evaluation": evaluation})
    assert joined(held_out_blocks(other, family, "test", 6, RECIPE)) != here
    assert joined(held_out_blocks(config, family, "validation", 6, RECIPE)) != here


def test_held_out_blocks_carry_the_recipe_and_the_evaluations_own_sizes(config, family):
    sizes = config.evaluation.model_copy(update={"shots": 2, "queries": 3})
    config = config.model_copy(update={"evaluation": sizes})
    for kind in ("evaluate", "predict"):
        block = held_out_blocks(config, family, "test", 6, RECIPE, kind)[0]
        assert (block.kind, block.recipe) == (kind, RECIPE)
        episode = family.build(block.specs)
        ways = getattr(config.task, "ways", 1)
        assert episode.support_targets.shape[1] == 2 * ways
        assert episode.query_targets.shape[1] == 3 * ways


def test_only_an_inner_batch_deals_the_support_set_out(config, family):
    dealt = config.algorithm.kind == "reptile"
    blocks = train_blocks(config, family, 0)
    assert all(("batches" in block.specs) == dealt for block in blocks)
    if dealt:
        assert blocks[0].specs["batches"].shape == (2, config.algorithm.inner_steps, 3)
    assert "batches" not in held_out_blocks(config, family, "test", 6, RECIPE)[0].specs
    evaluation = config.evaluation.model_copy(update={"inner_batch": 2})
    config = config.model_copy(update={"evaluation": evaluation})
    held_out = held_out_blocks(config, family, "test", 6, RECIPE)
    assert held_out[0].specs["batches"].shape == (2, RECIPE.inner_steps, 2)


def test_a_block_is_a_value(config, family):
    block = train_blocks(config, family, 0)[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        block.index = 1
