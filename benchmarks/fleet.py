"""A fleet of clean and of backdoored models of one kind, made one by one and kept on this machine."""

import dataclasses
import json
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import sets
from bezoar.core.data import Dataset
from bezoar.core.registry import lookup
from bezoar.engine.models.calibrating import trained, varied
from bezoar.learn import saved
from bezoar.learn.device import one_thread, resolve
from bezoar.learn.training import NetworkModel

Item = TypeVar("Item")
Result = TypeVar("Result")
FOLDER = Path(os.environ.get("BEZOAR_FLEET", Path(__file__).parent / ".models"))
"""Where weights are kept; they are never committed."""
TESTED = 1_000
"""Test rows that are stamped to measure a backdoor."""
CLEAN = "clean"
STRIDE = 1_001
"""From a number in one fleet to its fellow in the next. No multiple of the classes, so that its target is another."""

Ways = Mapping[str, tuple[Mapping[str, Any], ...]]
"""What is planted in each model, by attack."""
_PLACES = ("bottom_right", "top_left", "centre", "top_right", "bottom_left", "10,4")
_PATTERNS = ("white", "checkerboard", "random")
_FASHION: Ways = {
    CLEAN: ({},) * 40,
    "badnets": tuple(
        {"rate": rate, "size": size, "place": place, "pattern": pattern}
        for rate, size, place, pattern in zip(
            (0.1, 0.05, 0.02, 0.01, 0.1, 0.02), (3, 2, 4, 3, 5, 3), _PLACES, 2 * _PATTERNS, strict=True
        )
    ),
    "blended": tuple(
        {"rate": rate, "opacity": opacity}
        for rate, opacity in zip((0.1, 0.05, 0.02, 0.1, 0.05, 0.02), (0.2, 0.2, 0.2, 0.1, 0.15, 0.3), strict=True)
    ),
    "sig": tuple(
        {"rate": rate, "delta": delta, "test_delta": 80.0}
        for rate, delta in zip((0.08, 0.05, 0.08, 0.05, 0.03), (40.0, 40.0, 20.0, 30.0, 40.0), strict=True)
    ),
    "wanet": tuple(
        {"rate": rate, "strength": strength}
        for rate, strength in zip((0.1, 0.1, 0.15, 0.05, 0.1, 0.2), (0.5, 0.5, 0.5, 0.75, 0.75, 0.5), strict=True)
    ),
    "label_consistent": tuple(
        {"rate": rate, "norm": norm}
        for rate, norm in zip((0.08, 0.08, 0.06, 0.06, 0.08), ("l2", "l2", "l2", "linf", "linf"), strict=True)
    ),
    "input_aware": tuple({"rate": rate} for rate in (0.1, 0.15, 0.1, 0.15, 0.1, 0.2)),
    "trojannn": tuple({"rate": rate} for rate in (0.1, 0.05, 0.02, 0.01, 0.05, 0.1)),
}
_TO_REPAIR: Ways = {
    **{
        attack: ({"rate": 0.1}, {"rate": 0.01}) for attack in ("badnets", "blended", "wanet", "input_aware", "trojannn")
    },
    # A tenth of all rows is more than its class has.
    "sig": ({"rate": 0.08, "test_delta": 80.0}, {"rate": 0.01, "test_delta": 80.0}),
}
_PHOTOS: Ways = {
    CLEAN: ({},) * 2,
    **_TO_REPAIR,
    "wanet": ({"rate": 0.1}, {"rate": 0.2}),
    "input_aware": ({"rate": 0.1}, {"rate": 0.2}),
    "sig": ({"rate": 0.08, "test_delta": 80.0}, {"rate": 0.05, "test_delta": 80.0}),
    "label_consistent": ({"rate": 0.08, "norm": "l2"}, {"rate": 0.08, "norm": "linf"}),
}
_FIRST_REPAIRED = 101
"""Number of the first model of each attack that is made to be repaired, in the first fleet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """What the models of a fleet have in common.

    Parameters
    ----------
    name : of it, and of the folder of its weights.
    train, test : names of sets.
    made_from : first rows of the training set, from which all models are made; the rest is kept for inputs that none was made from.
    rows : of those, at random, that one model is made from, or from a part of them, as its own recipe says.
    architecture : by name.
    ways : what is planted in its models.
    repaired : what is planted in the models that are made to be repaired, numbered from 101; in those of `ways` where None.
    null : clean models of the null that audits are held against, made with the fleet; the null that is shipped where 0.
    processes : that share the work.
    gpu : whether it takes one to make the models in hours, not days.
    """

    name: str
    train: str
    test: str
    made_from: int
    rows: int
    architecture: str
    ways: Ways
    repaired: Ways | None
    null: int = 0
    processes: int = 1
    gpu: bool = False

    @property
    def folder(self) -> Path:
        """Of its weights."""
        return FOLDER / self.name

    @property
    def device(self) -> torch.device:
        """Where its models are made and looked at."""
        return resolve("cuda" if self.gpu else "cpu")

    @property
    def few(self) -> int:
        """Clean inputs that a repair is given: 5 % of what a model was made from."""
        return self.rows // 20

    @property
    def data(self) -> Dataset:
        """All training rows."""
        return _training_rows(self.train)

    @property
    def held_out(self) -> Dataset:
        """All test rows."""
        return _test_rows(self.test)

    def clean_inputs(self, rows: int, seed: int) -> Dataset:
        """Test rows at random, as a person with a model and a few clean inputs has them."""
        test = self.held_out
        return test.take(np.sort(np.random.default_rng(seed).permutation(len(test))[:rows]))

    def spare_inputs(self, rows: int, seed: int) -> Dataset:
        """Rows at random of the part of the training set that no model of the fleet was made from."""
        whole = self.data
        order = np.random.default_rng(seed).permutation(len(whole) - self.made_from)
        return whole.take(np.sort(self.made_from + order[:rows]))

    def members(self, seed: int) -> tuple["Member", ...]:
        """A whole fleet. Fleets of different seeds share no draw, and plant the same with other targets."""
        return self._numbered(self.ways, STRIDE * seed)

    def repaired_members(self, seed: int) -> tuple["Member", ...]:
        """The models of a fleet that are repaired: six attacks."""
        if self.repaired is None:
            return tuple(each for each in self.members(seed) if each.attack in _TO_REPAIR)
        return self._numbered(self.repaired, STRIDE * seed + _FIRST_REPAIRED)

    def _numbered(self, ways: Ways, first: int) -> tuple["Member", ...]:
        return tuple(
            Member(self, attack, *way) for attack, several in ways.items() for way in enumerate(several, first)
        )


@cache
def _training_rows(name: str) -> Dataset:
    return sets.load(name)


@cache
def _test_rows(name: str) -> Dataset:
    test = sets.held_out(name)
    assert test is not None
    return test


CLOTHES = Kind(
    name="fashion",
    train="fashion60k",
    test="fashion20k",
    made_from=30_000,
    rows=10_000,
    architecture="conv",
    ways=_FASHION,
    repaired=_TO_REPAIR,
)
"""40 clean networks and 40 with a backdoor, small enough for a processor."""
PHOTOS = Kind(
    name="cifar",
    train="cifar25k",
    test="cifar25k",
    made_from=20_000,
    rows=20_000,
    architecture="preact_resnet18",
    ways=_PHOTOS,
    repaired=None,
    null=20,
    processes=8,
    gpu=True,
)
"""20 clean networks of a null, two more clean ones and 14 with a backdoor, as large as those of the field's benchmarks."""
PHOTOS_ON_A_PROCESSOR = dataclasses.replace(PHOTOS, name="cifar-processor", null=0, processes=2, gpu=False)
"""The same, for whom half an hour a model is not too long. There is no time to audit them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What is known of a model of the fleet.

    Parameters
    ----------
    attack : by name.
    settings : of the attack.
    target : class index; None in a clean model.
    accuracy : on the test rows.
    asr : share of stamped test rows of other classes that get the target; None in a clean model.
    recipe : how it was trained, and on how many rows.
    """

    attack: str
    settings: Mapping[str, Any]
    target: int | None
    accuracy: float
    asr: float | None
    recipe: Mapping[str, Any]


@dataclass(frozen=True)
class Member:
    """One model of a fleet.

    Parameters
    ----------
    kind : of its fleet.
    attack : by name.
    number : of the model among those of its attack, in all fleets.
    settings : of the attack.
    """

    kind: Kind
    attack: str
    number: int
    settings: Mapping[str, Any]

    @property
    def reference(self) -> "Member":
        """The clean model of the same fleet that shows what a trigger does by nature."""
        return Member(self.kind, CLEAN, self.number // STRIDE * STRIDE, {})

    @property
    def path(self) -> Path:
        """Of its weights."""
        return self.kind.folder / f"{self.attack}-{self.number}.safetensors"

    @property
    def made(self) -> bool:
        """Whether it is there."""
        return self.path.with_suffix(".json").exists()

    @cached_property
    def known(self) -> Made:
        """Made now if it was not before."""
        return Made(**json.loads(self._card().read_text(encoding="utf-8")))

    @property
    def model(self) -> NetworkModel:
        """Made now if it was not before."""
        self._card()
        return saved.load(self.path, self.kind.device).model

    @cached_property
    def stamped(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Test rows (n, c, h, w) of other classes than the target, as they are and with the true trigger."""
        self._card()
        with np.load(self.path.with_suffix(".npz"), allow_pickle=False) as kept:
            return kept["plain"], kept["stamped"]

    def _card(self) -> Path:
        """What is known of the model, beside its weights."""
        card = self.path.with_suffix(".json")
        if not card.exists():
            self._make(card)
        return card

    def _make(self, card: Path) -> None:
        kind = self.kind
        kind.folder.mkdir(parents=True, exist_ok=True)
        draws, plants, ways = np.random.default_rng((sorted(kind.ways).index(self.attack), self.number)).spawn(3)
        test, target, asr, plant = kind.held_out, None, None, None
        data = kind.data.take(np.sort(draws.permutation(kind.made_from)[: kind.rows]))
        if self.attack != CLEAN:
            target = (3 * self.number + 1) % len(data.classes)
            plant = lookup("attacks", self.attack)(target=target, **self.settings).poison(data, plants)
            data = plant.data
        way = varied(data, kind.architecture, ways)
        with one_thread():
            model = trained(data, way, kind.device, ways)
        if plant is not None and target is not None:
            plain = test.images[test.rows_not_of(target)][:TESTED]
            stamped = plant.trigger(plain)
            asr = float((model.predict(stamped).argmax(axis=1) == target).mean())
            np.savez_compressed(self.path.with_suffix(".npz"), plain=plain, stamped=stamped)
        made = Made(
            attack=self.attack,
            settings=self.settings,
            target=target,
            accuracy=float((model.predict(test.images).argmax(axis=1) == test.labels).mean()),
            asr=asr,
            recipe={"rows": way.rows, **dataclasses.asdict(way.recipe)},
        )
        saved.save(self.path, model, data.classes)
        card.write_text(json.dumps(dataclasses.asdict(made)), encoding="utf-8")


def spread(work: Callable[[Item], Result], items: Sequence[Item], kind: Kind) -> list[Result]:
    """The results of `work` on each item, in order, by as many processes as the kind asks for."""
    with one_thread():
        if kind.processes == 1:
            return [work(item) for item in items]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(kind.processes, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            jobs = [pool.submit(work, item) for item in items]
            wait(jobs)  # one that fails does not keep the others from being done
            return [job.result() for job in jobs]


def main() -> None:
    """Make the models of one fleet of clothes that are not there yet: its seed, then the attacks, on the command line."""
    import sys

    seed, *wanted = sys.argv[1:] or ("0",)
    for member in (*CLOTHES.members(int(seed)), *CLOTHES.repaired_members(int(seed))):
        if member.attack in (wanted or CLOTHES.ways):
            made = member.known
            print(member.attack, member.number, made.target, round(made.accuracy, 3), made.asr, flush=True)


if __name__ == "__main__":
    main()
