"""A model in a process of its own: it may hang or crash there, and nothing comes back from it but numbers."""

import contextlib
import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bezoar.core.errors import BezoarError, InputError, ModelError
from bezoar.learn.answers import FAILURES, Predict, line_of, log_probabilities, numbers

SECONDS = 60.0
"""How long a model may take for one batch, unless a person allows more."""
STARTING = 60.0
"""Seconds beside them for a process to start and the model to load."""
BATCH = 1_024
"""Inputs that are put to a model at a time, at most."""
_LONGEST = 1_000
_ANSWER, _READY, _ERROR = b"a", b"r", b"e"

Opener = Callable[[], Predict]
"""Opens a model where it is called; travels to another process."""


@dataclass(slots=True, kw_only=True, eq=False)
class Apart:
    """A black box that runs elsewhere. Used as a context; at its end, or with this process, the other one ends.

    Parameters
    ----------
    opener : what makes the model, there.
    classes : k, the number of columns that it must give.
    name : what to call it in messages.
    seconds : that it may take for one batch.
    asked : of how many inputs it was asked by now.
    """

    opener: Opener
    classes: int
    name: str
    seconds: float = SECONDS
    asked: int = 0
    _ended: str = ""
    _process: BaseProcess = field(init=False)
    _line: Connection = field(init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        """Start it.

        Raises
        ------
        InputError
            It cannot be opened.
        ModelError
            Opening it hangs or ends its process.
        """
        # Spawned, not forked: torch has threads, which a fork would leave behind in any state.
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self.opener, self.classes), daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._heard(self.seconds + STARTING, "opening it")
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End the other process, whatever it is doing."""
        self._process.kill()
        self._process.join()
        self._line.close()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, k) log-probabilities of images (n, c, h, w) uint8.

        Raises
        ------
        InputError
            The model fails, or gives another shape, or numbers that are not finite.
        ModelError
            It takes too long, or ends its process.
        """
        parts = [self._asked(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
        return np.concatenate(parts or [np.zeros((0, self.classes), np.float32)])

    def _asked(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with self._turn:
            if self._ended:
                raise ModelError(self._ended)
            self.asked += len(images)
            with contextlib.suppress(OSError):  # a process that is gone is told of below
                self._line.send(images)
            answer = self._heard(self.seconds, f"{len(images):,} inputs")
        given = np.frombuffer(answer, np.float32)
        if given.size == len(images) * self.classes:
            given = given.reshape(len(images), self.classes)
        return log_probabilities(given, rows=len(images), k=self.classes, name=self.name)

    def _heard(self, seconds: float, what: str) -> bytes:
        try:
            if not self._line.poll(seconds):
                raise self._over(f"hangs: {what} took more than {seconds:g} seconds.")
            answer = self._line.recv_bytes(len(_ANSWER) + max(_LONGEST * 4, BATCH * self.classes * 4))
        except (EOFError, OSError) as error:
            raise self._over(f"crashes: its process ended on {what}.") from error
        if answer[:1] == _ERROR:
            said = answer[1:].decode("utf-8", "replace")
            raise InputError("".join(letter if letter.isprintable() else " " for letter in said))
        return answer[1:]

    def _over(self, how: str) -> ModelError:
        self._ended = f"model {self.name} {how}"
        self._process.kill()
        return ModelError(self._ended)


def rehearse(opener: Opener, images: NDArray[np.uint8], *, classes: int, name: str, seconds: float) -> None:
    """Open a model apart and let it predict, before it is trusted with this process.

    Raises
    ------
    InputError
        It cannot be opened, fails on these images, or does not give finite numbers for each class.
    ModelError
        It hangs or ends its process.
    """
    with Apart(opener=opener, classes=classes, name=name, seconds=seconds) as model:
        model.predict(images)


def _serve(line: Connection, opener: Opener, classes: int) -> None:
    """In the other process: answer until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a model prints is not what this program says.
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    # Where memory runs out, this process shall be the one that ends (Linux only).
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    predict = _tried(line, opener, _READY)
    while predict is not None:
        try:
            images = line.recv()
        except (EOFError, OSError):
            return
        _tried(line, functools.partial(_numbers, predict, images, classes), _ANSWER)


def _tried(line: Connection, work: Callable[[], Any], kind: bytes) -> Predict | None:
    """Send what the work gives, or its error. Gives it back where it is a model."""
    try:
        given = work()
    except FAILURES as error:
        said = str(error) if isinstance(error, BezoarError) else f"the model fails: {line_of(error)}"
        line.send_bytes(_ERROR + said.encode("utf-8", "replace")[:_LONGEST])
        return None
    line.send_bytes(kind + (given if isinstance(given, bytes) else b""))
    return given if callable(given) else None


def _numbers(predict: Predict, images: NDArray[np.uint8], classes: int) -> bytes:
    array = numbers(predict(images), "under audit").astype(np.float32)
    if array.shape != (len(images), classes):
        wanted = f"({len(images)}, {classes}), a column for each class of the data"
        raise InputError(f"the model must answer with shape {wanted}. Got {array.shape}.")
    return array.tobytes()
