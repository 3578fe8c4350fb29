"""Audits of models: trigger inversion beside the published one, its growth with the classes, and STRIP beside ART's."""

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import detection, peers, planting, programs, sequential, sets, trainings
from benchmarks.sequential import Program, Sought, anomaly
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.core.attack import Trigger
from bezoar.core.data import Dataset
from bezoar.core.detector import Inspection, Suspect
from bezoar.core.errors import InputError
from bezoar.detectors.models.inverted import Recovered
from bezoar.detectors.models.neural_cleanse import NeuralCleanse
from bezoar.learn import saved
from bezoar.learn.device import one_thread
from bezoar.learn.training import NetworkModel
from bezoar.learn.white_box import opened, pixels_of
from bezoar.maths.stats import auroc

ROUNDS = 3
GOALS = (0.9, 0.92, *np.arange(0.93, 0.99, 0.005).round(3).tolist(), 0.99)
"""Shares of the inputs that ours is asked to turn, to compare norms at the success that the published way has."""
_UNSEEN = 2_000
"""Clean rows, at most, on which recovered triggers are tried."""
_CPU = torch.device("cpu")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleansing:
    """Neural Cleanse over all classes, ours and the published way, on one model with a backdoor and the same inputs.

    Both compute on one thread and take turns: after every few classes of the published way, ours seeks all of them.

    Parameters
    ----------
    data : name of the set that the model is trained on.
    attack : what is planted in it.
    program : how the published way searches.
    inputs : that both search with; clean test rows where the set has any.
    folded : let the published way pass its inputs through the network as ours does, so that only the searches differ.
    """

    data: str
    attack: BadNets
    program: Program
    inputs: int = 200
    folded: bool = False

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds of both, and how far the target's mask lies below those of the other classes."""
        programs.share_cores()
        victim = _victim(self.data, self.attack, seed)
        suspect, target = _suspect(victim.model, victim.clean, self.inputs), victim.target
        logits = suspect.model.logits if self.folded else _plain(victim.model)
        with one_thread():
            times, inspection, sought = self._in_turns(suspect, logits, seed)
        norms, published = np.exp(-inspection.scores), np.array([each.norm for each in sought])
        unseen = victim.clean.take(np.arange(self.inputs, min(len(victim.clean), self.inputs + _UNSEEN)))
        others = unseen.images[unseen.rows_not_of(target)]
        stamped = sought[target].stamp(pixels_of(others, _CPU)).mul(255).round().byte().numpy()
        peer_success = _turned(victim, stamped)
        success = _turned(victim, inspection.triggers.get(target, np.copy)(others))
        alike = _at_equal(peer_success, suspect, victim, others, seed)
        own, peer = statistics.median(times["bezoar"]), sum(times["published"])
        return {
            "run": programs.record(victim.data),
            "norms": {"bezoar": norms.round(3).tolist(), "published": published.round(3).tolist()},
            "seconds_of_each_call": times,
            "figures": {
                "faster": peer / own,
                "seconds": own,
                "published_seconds": peer,
                "norm_of_published": alike / float(published[target]),
                "anomaly_lead": anomaly(norms, target) - anomaly(published, target),
                "log_anomaly": anomaly(np.log(norms), target),
                "published_log_anomaly": anomaly(np.log(published), target),
                "norm": _norm(inspection, target),
                "published_norm": float(published[target]),
                "anomaly": anomaly(norms, target),
                "published_anomaly": anomaly(published, target),
                "success": success,
                "published_success": peer_success,
                "asr": trainings.attack_success(victim.model, victim.clean, victim.trigger, target),
            },
        }

    def _in_turns(
        self, suspect: Suspect, logits: Callable[[Tensor], Tensor], seed: int
    ) -> tuple[dict[str, list[float]], Inspection, list[Sought]]:
        """Seconds of each call, what ours says of all classes, and what the published way found for each."""
        generator, rng = torch.Generator().manual_seed(seed), np.random.default_rng((seed, 6))
        pixels, k = pixels_of(suspect.clean, _CPU), suspect.model.classes
        times: dict[str, list[float]] = {"bezoar": [], "published": []}
        found = []
        # What a first call loads and lays out is in no time.
        inspection = NeuralCleanse(steps=1).inspect(suspect, np.random.default_rng(0))
        sequential.seek(logits, pixels, 0, Program(steps=1), torch.Generator(), np.random.default_rng(0))
        for index in range(k):
            sought, seconds = _timed(partial(sequential.seek, logits, pixels, index, self.program, generator, rng))
            found.append(sought)
            times["published"].append(seconds)
            if index in (k // 4, k // 2, 3 * k // 4):
                inspection, seconds = _timed(partial(NeuralCleanse().inspect, suspect, np.random.default_rng(seed)))
                times["bezoar"].append(seconds)
        return times, inspection, found


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreClasses:
    """The time of our inversion for few and for many classes, of models trained on made signs, on one thread.

    Parameters
    ----------
    few, many : classes.
    rows : of each class that a model is trained on.
    inputs : that is searched with.
    """

    few: int = 10
    many: int = 43
    rows: int = 60
    inputs: int = 200

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds for both numbers, taking turns, and their ratio over that of the classes."""
        programs.share_cores()
        suspects, accuracy = {}, {}
        for classes in (self.few, self.many):
            rng = np.random.default_rng((seed, 7))
            seen, unseen = signs(classes, self.rows, rng), signs(classes, self.inputs // classes + 1, rng)
            model = trainings.trained(seen, seed)
            accuracy[classes] = trainings.accuracy(model, unseen)
            suspects[classes] = _suspect(model, unseen.take(rng.permutation(len(unseen))), self.inputs)
        times: dict[int, list[float]] = {classes: [] for classes in suspects}
        with one_thread():
            for _ in range(ROUNDS):
                for classes, suspect in suspects.items():
                    look = partial(NeuralCleanse().inspect, suspect, np.random.default_rng(seed))
                    times[classes].append(_timed(look)[1])
        few, many = (statistics.median(times[classes]) for classes in suspects)
        return {
            "run": programs.record(),
            "figures": {
                "growth": (many / few) / (self.many / self.few),
                "few_seconds": few,
                "many_seconds": many,
                "few_accuracy": accuracy[self.few],
                "many_accuracy": accuracy[self.many],
            },
        }


def signs(classes: int, rows: int, rng: np.random.Generator) -> Dataset:
    """Made traffic signs, `rows` of each class: a coarse picture of its own in colour, moved, lit and noisy, 3 x 32 x 32."""
    coarse = np.random.default_rng(43).uniform(0, 1, (classes, 3, 6, 6))
    fine = coarse.repeat(4, axis=2).repeat(4, axis=3)
    labels = np.arange(classes).repeat(rows)
    images = np.empty((len(labels), 3, 32, 32))
    images[:] = rng.uniform(0, 1, (len(labels), 3, 1, 1))
    for image, label, (down, across) in zip(images, labels, rng.integers(2, 7, (len(labels), 2)), strict=True):
        image[:, down : down + 24, across : across + 24] = fine[label]
    images *= rng.uniform(0.4, 1, (len(labels), 1, 1, 1))
    images += rng.normal(0, 0.05, images.shape)
    return Dataset(
        inputs=(255 * images.clip(0, 1)).astype(np.uint8),
        labels=labels,
        classes=tuple(map(str, range(classes))),
        ids=np.arange(len(labels)).astype(np.str_),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripping:
    """STRIP of both, each as it comes, on the same weights and inputs, half of them stamped, in processes that take turns.

    Seconds are those of judging inputs; neither fitting the threshold nor loading is in them.

    Parameters
    ----------
    data : name of the set that the model is trained on.
    attack : what is planted in it.
    overlays : that ART lays over each input, its default.
    inputs : that are judged, half of them stamped.
    clean : inputs that are laid over, and that ART fits its threshold with.
    """

    data: str
    attack: BadNets
    overlays: int = 20
    inputs: int = 200
    clean: int = 100

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds an input of both, and what both find."""
        programs.share_cores()
        victim = _victim(self.data, self.attack, seed)
        others = victim.clean.images[victim.clean.rows_not_of(victim.target)]
        clean, judged = others[: self.clean], others[self.clean :][: self.inputs].copy()
        stamped = np.arange(len(judged)) < len(judged) // 2
        judged[stamped] = victim.trigger(judged[stamped])
        answers: dict[str, list[dict[str, Any]]] = {"bezoar": [], "art": [], "art, 1 thread": []}
        with tempfile.TemporaryDirectory() as folder:
            weights, asked = Path(folder) / "model.safetensors", Path(folder) / "asked.npz"
            saved.save(weights, victim.model, victim.data.classes)
            np.savez(asked, allow_pickle=False, clean=clean, judged=judged, **_plain_weights(victim.model))
            for _ in range(ROUNDS):
                answers["bezoar"].append(programs.own("strip", asked, str(weights)))
                answers["art"].append(peers.ask("art", "art_strip", asked, str(self.overlays)))
                answers["art, 1 thread"].append(peers.ask("art", "art_strip", asked, str(self.overlays), threads=1))
        own, peer = answers["bezoar"][0], answers["art"][0]
        score, flagged = np.asarray(own["scores"]), np.zeros(len(judged), dtype=bool)
        flagged[peer["flagged"]] = True
        fpr = float(flagged[~stamped].mean())
        times = {name: [each["seconds"] for each in several] for name, several in answers.items()}
        medians = {name: statistics.median(several) for name, several in times.items()}
        seconds, art_seconds = medians["bezoar"], min(medians["art"], medians["art, 1 thread"])
        return {
            "run": programs.record(victim.data),
            "peers": peer["versions"],
            "seconds_of_each_call": times,
            "figures": {
                "faster": art_seconds / seconds,
                "faster_than_default": medians["art"] / seconds,
                "faster_a_pass": art_seconds / self.overlays / (seconds / own["passes"]),
                "tpr_lead": detection.tpr_within(score, stamped, fpr) - float(flagged[stamped].mean()),
                "passes": own["passes"],
                "seconds": seconds / len(judged),
                "art_seconds": art_seconds / len(judged),
                "auroc": auroc(score, stamped),
                "tpr": detection.tpr_within(score, stamped, fpr),
                "art_tpr": float(flagged[stamped].mean()),
                "art_fpr": fpr,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Victim:
    data: Dataset
    model: NetworkModel
    trigger: Trigger
    target: int
    clean: Dataset


def _victim(name: str, attack: BadNets, seed: int) -> _Victim:
    """A model trained on a set with a backdoor, and clean inputs of its kind: rows that it never saw, where the set has any."""
    poisoned = planting.poison(name, attack, seed)
    clean = sets.held_out(name)
    if poisoned.trigger is None or poisoned.target is None:
        raise InputError(f"{attack} plants no backdoor.")
    return _Victim(
        data=poisoned.data,
        model=trainings.trained(poisoned.data, seed),
        trigger=poisoned.trigger,
        target=poisoned.target,
        clean=sets.load(name) if clean is None else clean,
    )


def _turned(victim: _Victim, stamped: NDArray[np.uint8]) -> float:
    """Share of stamped inputs that are taken for the target."""
    return float((victim.model.predict(stamped).argmax(axis=1) == victim.target).mean())


def _at_equal(success: float, suspect: Suspect, victim: _Victim, others: NDArray[np.uint8], seed: int) -> float:
    """Norm of the target's mask as ours finds it where it turns as many unseen inputs: between the two goals around that.

    What ours is asked for on its inputs and what it turns of others goes up in steps, so one of both norms is of less success and
    one of more; the logarithm is drawn straight between them. Where the first goal turns more already, its norm stands.
    """
    known: list[tuple[float, float]] = []
    for goal in GOALS:
        found = NeuralCleanse(goal=goal).inspect(suspect, np.random.default_rng(seed))
        known.append((_turned(victim, found.triggers.get(victim.target, np.copy)(others)), _norm(found, victim.target)))
        if known[-1][0] >= success:
            break
    below = [each for each in known[:-1] if each[0] < known[-1][0]]
    turned, norms = zip(*[*sorted(below)[-1:], known[-1]], strict=True)
    return float(np.exp(np.interp(success, turned, np.log(norms))))


def _norm(found: Inspection, target: int) -> float:
    """Of the mask that was handed out for the target; where none was, of the one that its search ended with."""
    trigger = found.triggers.get(target)
    if not isinstance(trigger, Recovered):
        return float(np.exp(-found.scores[target]))
    return float(trigger.family.size(trigger.parameters, torch.empty(0)))


def _suspect(model: NetworkModel, clean: Dataset, inputs: int) -> Suspect:
    return Suspect(model=opened(model), clean=clean.images[:inputs], labels=clean.labels[:inputs])


def _plain(model: NetworkModel) -> Callable[[Tensor], Tensor]:
    """Logits (n, k) of pixels (n, c, h, w) in [0, 1] in the ordinary way: all layers as they are, in single precision."""
    network, mean, std = model.network, model.mean / 255, model.std / 255

    def logits(pixels: Tensor) -> Tensor:
        answers: Tensor = network((pixels - mean[:, None, None]) / std[:, None, None])
        return answers

    return logits


def _plain_weights(model: NetworkModel) -> dict[str, NDArray[Any]]:
    """Weights and scaling for a program without Bezoar; those of the body are numbered in the order of its layers."""
    body = {f"body_{index}": value for index, value in enumerate(model.network.body.state_dict().values())}
    head = {f"head_{name}": value for name, value in model.network.head.state_dict().items()}
    return {name: value.numpy() for name, value in {**body, **head, "mean": model.mean, "std": model.std}.items()}


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start
