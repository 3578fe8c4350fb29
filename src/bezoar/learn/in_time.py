"""Somebody's code with a limit of time: what hangs is left behind."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import torch

from bezoar.core.errors import ModelError

Result = TypeVar("Result")


@dataclass(slots=True, kw_only=True)
class InTime:
    """Does works in threads of their own, each for no longer than this.

    A thread cannot be stopped: one that hangs goes on until the process ends, so nothing is done any more once one did.
    Code that never lets go of Python's lock stops everything, this clock too. Without a limit the caller does the work.

    Parameters
    ----------
    name : what to call in messages whose code it is.
    seconds : that one work may take; None for no limit.
    device : type of the device that it computes on.
    hung : whether one took longer.
    """

    name: str
    seconds: float | None
    device: str = "cpu"
    hung: bool = False

    def __call__(self, work: Callable[[], Result]) -> Result:
        """What the work gives or raises, computed as the caller would: gradients, precision, threads of arithmetic.

        Raises
        ------
        ModelError
            It takes too long, or an earlier one did.
        """
        if self.seconds is None:
            return work()
        future: Future[Result] = Future()
        differentiated, inferred = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
        mixed = torch.autocast(
            self.device, torch.get_autocast_dtype(self.device), enabled=torch.is_autocast_enabled(self.device)
        )
        threads = torch.get_num_threads()

        def run() -> None:
            torch.set_num_threads(threads)
            with torch.inference_mode(inferred), torch.set_grad_enabled(differentiated), mixed:
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001  # raised again by the caller
                    future.set_exception(error)

        if not self.hung:
            threading.Thread(target=run, daemon=True).start()
            try:
                return future.result(self.seconds)
            except TimeoutError:
                self.hung = not future.done()
                if not self.hung:
                    raise
        raise ModelError(f"{self.name} hangs: one batch took more than {self.seconds:g} seconds.")
