"""The trainer: seeds, schedule, losses, sizes and precision."""

import dataclasses
import threading

import numpy as np
import pytest
import torch

from bezoar.core.errors import InputError
from bezoar.learn import training
from bezoar.learn.recipe import Recipe
from bezoar.learn.training import one_cycle, shrink, train

SHORT = Recipe(epochs=3, batch_size=32)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n=40, shape=(1, 8, 8), classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, classes, n)


def weights(model):
    return torch.cat([value.flatten().double() for value in model.network.state_dict().values()])


def test_the_same_generator_gives_the_same_training_whatever_else_runs(digits):
    """Bit for bit, beside a thread that computes and draws from torch's global random state."""
    recipe = dataclasses.replace(SHORT, shift=1, flip=True)
    first, losses = train(digits.images, digits.labels, 10, recipe, seeded())
    done = threading.Event()

    def disturb():
        while not done.is_set():
            torch.randn(60, 60) @ torch.randn(60, 60)

    other = threading.Thread(target=disturb)
    other.start()
    try:
        second, again = train(digits.images, digits.labels, 10, recipe, seeded())
    finally:
        done.set()
        other.join()
    assert torch.equal(weights(first), weights(second))
    assert (losses == again).all()
    assert (first.predict(digits.images) == second.predict(digits.images)).all()


def test_another_generator_gives_another_training():
    images, labels = noise()
    assert not torch.equal(*(weights(train(images, labels, 3, SHORT, seeded(seed))[0]) for seed in (0, 1)))


def test_torchs_global_random_state_is_neither_read_nor_changed():
    images, labels = noise()
    before = torch.get_rng_state()
    first, _ = train(images, labels, 3, SHORT, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(weights(first), weights(train(images, labels, 3, SHORT, seeded())[0]))


def test_images_and_labels_stay_as_they_were():
    images, labels = noise(shape=(3, 9, 12))
    before = images.copy(), labels.copy()
    train(images, labels, 3, dataclasses.replace(SHORT, shift=2, flip=True), seeded())
    assert (images == before[0]).all()
    assert (labels == before[1]).all()


def test_the_learning_rate_rises_and_falls_as_cosines():
    """One cycle over 80 steps: peak / 25 at first, half way at 10, peak at 20, half at 50, nothing at 80."""
    rates = [one_cycle(step, 80, 1.0) for step in (0, 10, 20, 50, 80)]
    np.testing.assert_allclose(rates, [0.04, 0.52, 1.0, 0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_short_schedules_stay_between_nothing_and_the_peak(steps):
    assert all(0 < one_cycle(step, steps, 0.1) <= 0.1 for step in range(steps))


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_first_losses_are_those_of_guessing(classes):
    """A fresh network knows nothing: ln k nats."""
    images, labels = noise(n=300, classes=classes)
    _, losses = train(images, labels, classes, Recipe(epochs=1, learning_rate=1e-9), seeded())
    assert losses.shape == (1, 300)
    assert losses.dtype == np.float32
    assert losses.mean() == pytest.approx(np.log(classes), abs=0.25)


def test_losses_are_cross_entropies_of_each_row(digits):
    """At a rate of nearly nothing each row's recorded loss is what the network gives its label in training mode."""
    images, labels = digits.images[:20], digits.labels[:20]
    recipe = Recipe(epochs=1, batch_size=20, learning_rate=1e-30, precision="float32")
    model, losses = train(images, labels, 10, recipe, seeded())
    scaled = (torch.from_numpy(images).float() - model.mean[:, None, None]) / model.std[:, None, None]
    logits = model.network.train()(scaled)
    expected = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none")
    np.testing.assert_allclose(losses[0], expected.detach(), atol=1e-4)


def test_wrong_labels_are_learnt_last(digits):
    rng = np.random.default_rng(0)
    wrong = rng.random(600) < 0.1
    labels = np.where(wrong, (digits.labels + rng.integers(1, 10, 600)) % 10, digits.labels)
    _, losses = train(digits.images, labels, 10, Recipe(epochs=6, batch_size=32), seeded())
    assert losses[-1, ~wrong].mean() < 0.3
    assert losses[-1, wrong].mean() > 1.0


def test_every_row_has_a_loss_in_every_epoch_also_one_left_over():
    """33 rows in batches of 32: the last joins the batch before it."""
    images, labels = noise(n=33)
    _, losses = train(images, labels, 3, SHORT, seeded())
    assert (losses > 0).all()


def test_one_row_left_over_does_not_break_normalisation():
    """A residual net sees 8 x 8 images as single pixels in the end: one row alone has no variance there."""
    recipe = Recipe(architecture="preact_resnet18", epochs=1, batch_size=16)
    assert (train(*noise(n=17), 3, recipe, seeded())[1] > 0).all()


@pytest.mark.parametrize("n", [2, 3, 31, 32, 33, 64, 65])
def test_any_number_of_rows_from_two_trains(n):
    images, labels = noise(n=n)
    model, losses = train(images, labels, 3, Recipe(epochs=1, batch_size=32), seeded())
    assert np.isfinite(losses).all()
    assert model.predict(images).shape == (n, 3)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_rows_are_refused(n):
    with pytest.raises(InputError, match=f"at least two rows to train on. Got {n}"):
        train(*noise(n=n), 3, SHORT, seeded())


def test_progress_adds_up_to_the_rows_passed():
    told = []
    train(*noise(n=70), 3, SHORT, seeded(), progress=told.append)
    assert sum(told) == 3 * 70


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((1, 8, 8), (8, 8)),
        ((3, 8, 8), (8, 8)),
        ((1, 1, 1), (8, 8)),
        ((1, 28, 28), (28, 28)),
        ((3, 20, 31), (20, 31)),
        ((3, 64, 64), (64, 64)),
        ((3, 224, 224), (64, 64)),
        ((1, 100, 200), (32, 64)),
        ((1, 4, 300), (8, 64)),
    ],
)
def test_images_of_every_shape_train(shape, size):
    """8 to 64 pixels a side as they are, longer ones brought down in proportion, smaller ones up to 8."""
    images, labels = noise(n=12, shape=shape)
    model, losses = train(images, labels, 3, Recipe(epochs=1, batch_size=12), seeded())
    assert model.size == size
    assert np.isfinite(losses).all()
    assert model.predict(images).shape == (12, 3)


def test_colour_is_seen():
    """Red against green of the same brightness."""
    images = np.zeros((200, 3, 8, 8), np.uint8)
    labels = np.arange(200) % 2
    images[np.arange(200), labels] = np.random.default_rng(0).integers(100, 256, (200, 8, 8))
    model, _ = train(images, labels, 2, Recipe(epochs=4, batch_size=32), seeded())
    assert (model.predict(images).argmax(axis=1) == labels).all()


def test_shrinking_is_the_mean_over_the_area():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 12, 8), dtype=np.uint8)
    expected = images.reshape(5, 3, 6, 2, 4, 2).mean(axis=(3, 5))
    np.testing.assert_allclose(shrink(images, (6, 4)), expected, atol=0.5)
    assert shrink(images, (12, 8)) is images


def test_constant_images_train_to_the_frequency_of_classes():
    """Nothing to see but how often each class occurs: 30 of 40 rows."""
    images, labels = np.full((40, 1, 8, 8), 7, np.uint8), (np.arange(40) >= 30).astype(np.int64)
    model, _ = train(images, labels, 2, Recipe(epochs=80, batch_size=40, learning_rate=0.02), seeded())
    np.testing.assert_allclose(np.exp(model.predict(images[:1])), [[0.75, 0.25]], atol=0.1)


def test_predictions_are_log_probabilities_and_do_not_depend_on_the_batch(digits):
    model, _ = train(digits.images, digits.labels, 10, dataclasses.replace(SHORT, precision="float32"), seeded())
    whole = model.predict(digits.images)
    np.testing.assert_allclose(np.exp(whole).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(model.predict(digits.images[7:9]), whole[7:9], atol=1e-4)
    assert model.predict(digits.images[:0]).shape == (0, 10)


def test_predictions_come_from_the_features(digits):
    model, _ = train(digits.images, digits.labels, 10, SHORT, seeded())
    predictions, features = model.predict_with_features(digits.images)
    assert (model.predict(digits.images) == predictions).all()
    assert (model.features(digits.images) == features).all()
    assert features.shape == (600, 128)
    logits = features @ model.network.head.weight.detach().numpy().T + model.network.head.bias.detach().numpy()
    np.testing.assert_allclose(logits - logits[:, :1], predictions - predictions[:, :1], atol=1e-3)


def test_bfloat16_and_float32_nearly_agree(digits):
    """The same weights: probabilities within .05. Trained in each: accuracy within 3 points."""
    accuracy = []
    for precision in ("float32", "bfloat16"):
        recipe = Recipe(epochs=4, batch_size=16, precision=precision)
        model, _ = train(digits.images[:300], digits.labels[:300], 10, recipe, seeded())
        accuracy.append((model.predict(digits.images).argmax(axis=1) == digits.labels).mean())
    same = [
        np.exp(dataclasses.replace(model, recipe=Recipe(precision=precision)).predict(digits.images))
        for precision in ("float32", "bfloat16")
    ]
    assert np.abs(same[0] - same[1]).max() < 0.05
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.03)
    assert min(accuracy) > 0.9


def test_shift_moves_images_by_at_most_so_many_pixels():
    """A net trained on one lit pixel in the middle of 9 x 9, shifted by up to 2, knows it where it was shown."""
    images = np.zeros((200, 1, 9, 9), np.uint8)
    labels = np.arange(200) % 2
    images[labels == 1, :, 4, 4] = 255
    model, _ = train(images, labels, 2, Recipe(epochs=6, batch_size=20, shift=2), seeded())
    moved = np.zeros((25, 1, 9, 9), np.uint8)
    moved[np.arange(25), 0, 2 + np.arange(25) // 5, 2 + np.arange(25) % 5] = 255
    assert (model.predict(moved).argmax(axis=1) == 1).all()


@pytest.mark.parametrize(("name", "width"), [("vgg", 128), ("vit", 64), ("preact_resnet18", 512)])
def test_every_architecture_trains(digits, name, width):
    recipe = Recipe(architecture=name, epochs=1, batch_size=25)
    model, losses = train(digits.images[:50], digits.labels[:50], 10, recipe, seeded())
    assert model.features(digits.images[:3]).shape == (3, width)
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("name", ["vgg", "vit"])
def test_small_architectures_learn_digits(digits, name):
    """Trained on 450 of 600, tested on the rest; chance is .1. Measured over seeds 0 to 4: vgg .83 to .91, vit .77 to .88."""
    recipe = Recipe(architecture=name, epochs=12, batch_size=25)
    model, _ = train(digits.images[:450], digits.labels[:450], 10, recipe, seeded())
    assert (model.predict(digits.images[450:]).argmax(axis=1) == digits.labels[450:]).mean() > 0.65


def test_halves_of_batches_side_by_side_are_halves_one_after_another(digits, monkeypatch):
    """Bit for bit, so a machine with one core trains the same model as one with many."""
    recipe = dataclasses.replace(SHORT, shift=1, flip=True)
    first, losses = train(digits.images, digits.labels, 10, recipe, seeded(), halved=True)
    monkeypatch.setattr(training, "dealt_out", lambda work, items: [work(item) for item in items])
    again, same = train(digits.images, digits.labels, 10, recipe, seeded(), halved=True)
    assert torch.equal(weights(first), weights(again))
    np.testing.assert_array_equal(losses, same)
    whole, _ = train(digits.images, digits.labels, 10, recipe, seeded())
    right = [(each.predict(digits.images).argmax(1) == digits.labels).mean() for each in (first, whole)]
    assert abs(right[0] - right[1]) < 0.05
    assert not torch.equal(weights(first), weights(whole))


@pytest.mark.parametrize("n", [2, 9, 33, 39])
def test_any_number_of_rows_trains_by_halves(n):
    model, losses = train(*noise(n), 3, SHORT, seeded(), halved=True)
    assert np.isfinite(losses).all()
    assert torch.isfinite(weights(model)).all()
