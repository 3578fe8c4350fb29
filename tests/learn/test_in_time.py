"""Code with a limit of time."""

import threading
import time

import pytest
import torch

from bezoar.core.errors import ModelError
from bezoar.learn.in_time import InTime
from bezoar.learn.white_box import copied, pixels_of, tapped

CPU = torch.device("cpu")


def clock(seconds=30.0):
    return InTime(name="it", seconds=seconds)


def test_a_work_gives_what_it_gives_and_raises_what_it_raises():
    assert clock()(lambda: 7) == 7
    with pytest.raises(TimeoutError, match="its own"):
        clock()(lambda: (_ for _ in ()).throw(TimeoutError("its own")))


def test_what_hangs_is_left_and_nothing_is_done_any_more():
    patience, done = clock(0.2), []
    start, released = time.perf_counter(), threading.Event()
    with pytest.raises(ModelError, match=r"it hangs: one batch took more than 0.2 seconds"):
        patience(released.wait)
    with pytest.raises(ModelError, match="hangs"):
        patience(lambda: done.append(1))
    released.set()
    assert time.perf_counter() - start < 10
    assert not done


@pytest.mark.parametrize("around", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_it_computes_as_its_caller_would(around):
    weight = torch.ones(3, 3, requires_grad=True)

    def work():
        made = weight @ weight
        return made, made.dtype, made.requires_grad, made.is_inference(), torch.get_num_threads()

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with around(), torch.autocast("cpu", torch.bfloat16):
            here, there = work(), clock()(work)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(here[0], there[0])
    assert here[1:] == there[1:]
    assert there[1] is torch.bfloat16


class Moody(torch.nn.Module):
    """Hangs whenever its `mood` is not set."""

    def __init__(self):
        super().__init__()
        self.layer, self.mood = torch.nn.Linear(64, 10), [True]

    def forward(self, x):
        while not self.mood[0]:
            time.sleep(0.01)
        return self.layer(x.flatten(1))


def test_anybodys_network_is_watched_in_every_pass_and_its_copies_as_well(digits):
    network = Moody()
    box = tapped(network, (1, 8, 8), 10, CPU, seconds=0.5)
    pixels = pixels_of(digits.images[:4], CPU).requires_grad_()
    box.logits(pixels)[:, 0].sum().backward()
    assert pixels.grad.abs().sum() > 0
    copy = copied(box)
    network.mood[0] = False
    with pytest.raises(ModelError, match="the network hangs"):
        box.predict(digits.images[:4])
    copy.predict(digits.images[:4])
    network.mood[0] = True
