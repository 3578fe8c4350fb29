"""Networks shown images by shards: the same answers, from little luggage."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch

from bezoar.core.shards import Threads, in_threads
from bezoar.learn import embedding
from bezoar.learn.embedding import embed, embedded_shard
from bezoar.learn.picked import Picked
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import train
from elsewhere import Posted


@pytest.fixture(scope="module")
def model(digits):
    recipe = Recipe(epochs=1, batch_size=32)
    return train(digits.images, digits.labels, 10, recipe, torch.Generator().manual_seed(0))[0]


@pytest.fixture
def picked(digits):
    """599 of the images, in no order."""
    return Picked(digits.images, np.random.default_rng(0).permutation(600)[:599])


@pytest.fixture
def small(monkeypatch):
    """Shards of one batch."""
    monkeypatch.setattr(embedding, "_ROWS", embedding.BATCH)


@pytest.mark.parametrize("spread", [Threads(1), Threads(3), Posted()], ids=["one thread", "threads", "elsewhere"])
def test_answers_do_not_depend_on_who_works_on_shards(model, picked, small, spread):
    told = []
    for found, expected in zip(
        embed(model, picked, spread, told.append), model.predict_with_features(picked), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
    assert told == [0, 0, 0]


def test_larger_images_are_brought_to_the_size_of_the_network_elsewhere_too(digits):
    images = digits.images[:300].repeat(3, axis=2).repeat(3, axis=3)
    recipe = Recipe(epochs=1, batch_size=32, resize=12)
    model = train(images, digits.labels[:300], 10, recipe, torch.Generator().manual_seed(0))[0]
    picked = Picked(images, np.arange(300))
    found, expected = embed(model, picked, Posted(), lambda rows: None), model.predict_with_features(picked)
    np.testing.assert_array_equal(found[1], expected[1])


def test_a_shard_that_is_sent_holds_its_images_and_no_weights(model, picked, small):
    elsewhere = Posted()
    embed(model, picked, elsewhere, lambda rows: None)
    sizes = [len(shard) for shard in elsewhere.posted]
    images = [rows * 64 for rows in (256, 256, 87)]
    assert max(np.subtract(sizes, images)) < 4_000


def test_a_shard_is_told_by_its_images_and_by_the_recipe(model, picked):
    shard = next(iter(embedding._shards(model, picked)))
    other = dataclasses.replace(shard, recipe=dataclasses.replace(shard.recipe, precision="float32"))
    smaller = dataclasses.replace(shard, size=(4, 4))
    images = picked.images.copy()
    images[picked.rows[300], 0, 0, 0] ^= 1
    changed = dataclasses.replace(shard, images=Picked(images, picked.rows))
    digests = {each.digest() for each in (shard, smaller, changed)}
    assert len(digests) == 3
    assert (other.digest() == shard.digest()) == (shard.recipe.precision == "float32")
    assert pickle.loads(pickle.dumps(shard)).digest() == shard.digest()


def test_the_precision_travels_so_that_no_other_is_chosen_elsewhere(model, picked):
    shard = next(iter(embedding._shards(model, picked)))
    assert shard.recipe.precision in ("float32", "bfloat16")
    weights = embedding._weights(model)
    plain = dataclasses.replace(shard, recipe=dataclasses.replace(shard.recipe, precision="float32"))
    rounded = dataclasses.replace(shard, recipe=dataclasses.replace(shard.recipe, precision="bfloat16"))
    found = [embedded_shard(each, weights)["features"] for each in (plain, rounded)]
    assert (found[0] != found[1]).any()


def test_what_is_told_can_stop_the_work(model, picked, small):
    def stop(rows):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(model, picked, in_threads, stop)


def test_the_callers_number_of_threads_stays(model, picked, small):
    torch.set_num_threads(2)
    embed(model, picked, in_threads, lambda rows: None)
    assert torch.get_num_threads() == 2


def test_picked_images_are_sent_without_the_others(picked):
    few = Picked(picked.images, picked.rows[:3])
    sent = pickle.loads(pickle.dumps(few))
    assert sent.images.shape == (3, 1, 8, 8)
    np.testing.assert_array_equal(sent[:], few[:])
