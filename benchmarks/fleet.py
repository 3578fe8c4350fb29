"""A fleet of clean and of backdoored models of one kind, made one by one and kept on this machine."""

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import sets
from bezoar.core.data import Dataset
from bezoar.core.registry import lookup
from bezoar.engine.models.calibrating import trained, varied
from bezoar.learn import saved
from bezoar.learn.device import one_thread, resolve
from bezoar.learn.training import NetworkModel

FOLDER = Path(os.environ.get("BEZOAR_FLEET", Path(__file__).parent / ".models"))
"""Where weights are kept; they are never committed."""
ROWS = 10_000
"""From which each model is trained, or from a part of them, as its own recipe says."""
TESTED = 1_000
"""Test rows that are stamped to measure a backdoor."""
CLASSES = 10
CLEAN = "clean"

_PLACES = ("bottom_right", "top_left", "centre", "top_right", "bottom_left", "10,4")
_PATTERNS = ("white", "checkerboard", "random")
WAYS: Mapping[str, tuple[Mapping[str, Any], ...]] = {
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
"""What is planted in each model of the fleet, by attack: 40 clean ones, and 40 with a backdoor."""
FIRST_REPAIRED = 101
"""Number of the first model of each attack that is made to be repaired, in the first fleet."""
STRIDE = 1_001
"""From a number in one fleet to its fellow in the next. No multiple of the classes, so that its target is another."""
REPAIRED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    **{
        attack: ({"rate": 0.1}, {"rate": 0.01}) for attack in ("badnets", "blended", "wanet", "input_aware", "trojannn")
    },
    # A tenth of all rows is more than its class has.
    "sig": ({"rate": 0.08, "test_delta": 80.0}, {"rate": 0.01, "test_delta": 80.0}),
}
"""What is planted in the models that are repaired: six attacks at two rates."""


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
    """One model of the fleet.

    Parameters
    ----------
    attack : by name.
    number : of the model among those of its kind, in all fleets.
    settings : of the attack.
    """

    attack: str
    number: int
    settings: Mapping[str, Any]

    @property
    def reference(self) -> "Member":
        """The clean model of the same fleet that shows what a trigger does by nature."""
        return Member(CLEAN, self.number // STRIDE * STRIDE, {})

    @property
    def path(self) -> Path:
        """Of its weights."""
        return FOLDER / f"{self.attack}-{self.number}.safetensors"

    @cached_property
    def known(self) -> Made:
        """Made now if it was not before."""
        return Made(**json.loads(self._card().read_text(encoding="utf-8")))

    @property
    def model(self) -> NetworkModel:
        """Made now if it was not before."""
        self._card()
        return saved.load(self.path, resolve("cpu")).model

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
        FOLDER.mkdir(parents=True, exist_ok=True)
        draws, plants, ways = np.random.default_rng((sorted(WAYS).index(self.attack), self.number)).spawn(3)
        whole, test = sets.load("fashion60k"), sets.held_out("fashion20k")
        assert test is not None
        # The other half is kept for inputs that no model was made from.
        data, target, asr = whole.take(np.sort(draws.permutation(len(whole) // 2)[:ROWS])), None, None
        plant = None
        if self.attack != CLEAN:
            target = (3 * self.number + 1) % CLASSES
            plant = lookup("attacks", self.attack)(target=target, **self.settings).poison(data, plants)
            data = plant.data
        way = varied(data, "conv", ways)
        with one_thread():
            model = trained(data, way, resolve("cpu"), ways)
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


def members(seed: int) -> tuple[Member, ...]:
    """A whole fleet. Fleets of different seeds share no draw, and plant the same with other targets."""
    return _numbered(WAYS, STRIDE * seed)


def repaired_members(seed: int) -> tuple[Member, ...]:
    """The models of a fleet that are made to be repaired."""
    return _numbered(REPAIRED, STRIDE * seed + FIRST_REPAIRED)


def _numbered(ways: Mapping[str, tuple[Mapping[str, Any], ...]], first: int) -> tuple[Member, ...]:
    return tuple(Member(attack, *way) for attack, several in ways.items() for way in enumerate(several, first))


def clean_inputs(rows: int, seed: int) -> Dataset:
    """Test rows at random, as a person with a model and a few clean inputs has them."""
    test = sets.held_out("fashion20k")
    assert test is not None
    return test.take(np.sort(np.random.default_rng(seed).permutation(len(test))[:rows]))


def spare_inputs(rows: int, seed: int) -> Dataset:
    """Rows at random of the half of the training set that no model of the fleet was made from."""
    whole = sets.load("fashion60k")
    half = len(whole) // 2
    return whole.take(np.sort(half + np.random.default_rng(seed).permutation(len(whole) - half)[:rows]))


def main() -> None:
    """Make the models of one fleet that are not there yet: its seed, then the attacks, on the command line."""
    import sys

    seed, *wanted = sys.argv[1:] or ("0",)
    for member in (*members(int(seed)), *repaired_members(int(seed))):
        if member.attack in (wanted or WAYS):
            made = member.known
            print(member.attack, member.number, made.target, round(made.accuracy, 3), made.asr, flush=True)


if __name__ == "__main__":
    main()
