"""Whether failing inputs are pictures of another kind, and whether reference inputs fail when they are made like them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bezoar.engine.models.trial import Predicts
from bezoar.engine.triage.inputs import Failing, Reference
from bezoar.maths.stats import Interval, wilson

Images = NDArray[np.uint8]
Change = Callable[[Images], Images]

LARGE = 0.8
"""Effect size from which a difference is called large (Cohen 1988, section 2.2)."""
BREAKS = 0.1
"""Share of reference inputs that a change must break to explain failures."""
ALIKE = 0.5
"""Least overlap of wrong answers that a change and the failures must share."""
_STEPS = 12
"""Halvings of the range in which a strength is sought."""
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """A difference between failing and reference inputs of the same classes, in pooled standard deviations, with 95 %."""

    value: float
    low: float
    high: float

    @property
    def size(self) -> float:
        """Without its sign."""
        return abs(self.value)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shift:
    """One way in which failing inputs differ as pictures, and the experiment on it.

    Parameters
    ----------
    name : "brightness", "contrast", "sharpness" or "noise".
    effect : of the measure.
    change : makes reference inputs like failing ones in this respect; None where it cannot.
    before, after : share of reference inputs that the model gets right, as they are and changed.
    alike : how far the wrong answers on changed reference inputs are those on the failing ones: overlap of both shares by class.
    mended : share of the failing inputs that it gets right with the change taken back; None where it cannot be.
    """

    name: str
    effect: Effect
    change: Change | None
    before: Interval
    after: Interval
    alike: float
    mended: Interval | None

    @property
    def breaks(self) -> bool:
        """Reference inputs fail when they are changed so, and are taken for what the failing inputs are taken for."""
        worse = self.after.high < self.before.low and self.before.value - self.after.value >= BREAKS
        return worse and self.alike >= ALIKE


def shifts(model: Predicts, failing: Failing, reference: Reference, rng: np.random.Generator) -> tuple[Shift, ...]:
    """Every way, the one that breaks most first, then by effect."""
    own, usual = _measured(failing.images), _measured(reference.like(failing, rng))
    labels, classes = reference.labels, failing.log_probabilities.shape[1]
    before = _right(model.predict(reference.images).argmax(axis=1), labels)
    wrong = np.bincount(failing.predicted, minlength=classes) / len(failing.labels)
    found = []
    for name in own:
        effect = effect_size(own[name], usual[name])
        change, undo = _CHANGES[name](own, usual, rng) if effect.size >= LARGE else (None, None)
        after, alike = before, 0.0
        if change is not None:
            answers = model.predict(change(reference.images)).argmax(axis=1)
            after, missed = _right(answers, labels), answers[answers != labels]
            alike = float(np.minimum(wrong, np.bincount(missed, minlength=classes) / max(1, len(missed))).sum())
        found.append(
            Shift(
                name=name,
                effect=effect,
                change=change,
                before=before,
                after=after,
                alike=alike,
                mended=None
                if undo is None
                else _right(model.predict(undo(failing.images)).argmax(axis=1), failing.labels),
            )
        )
    return tuple(sorted(found, key=lambda each: (not each.breaks, each.after.value, -each.effect.size)))


def effect_size(some: NDArray[np.float64], others: NDArray[np.float64]) -> Effect:
    """Cohen's d of two samples with its large-sample interval (Hedges and Olkin, 1985, chapter 5, equation 14)."""
    n, m = len(some), len(others)
    pooled = np.sqrt(((n - 1) * some.var(ddof=1) + (m - 1) * others.var(ddof=1)) / max(1, n + m - 2))
    value = float((some.mean() - others.mean()) / max(float(pooled), 1e-9))
    margin = 1.96 * float(np.sqrt((n + m) / (n * m) + value**2 / (2 * (n + m))))
    return Effect(value=value, low=value - margin, high=value + margin)


def _measured(images: Images) -> dict[str, NDArray[np.float64]]:
    """(n,) brightness and contrast in grey levels, mean gradient, and the noise that neighbours do not share."""
    grey = images.astype(np.float64).mean(axis=1)
    gradients = np.abs(np.diff(grey, axis=1)).mean(axis=(1, 2)) + np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2))
    # Immerkaer, "Fast noise variance estimation", CVIU 64, 1996, equation 3.
    rough = np.abs(ndimage.convolve(grey, _NOISE[None], mode="nearest")).mean(axis=(1, 2))
    return {
        "brightness": grey.mean(axis=(1, 2)),
        "contrast": grey.std(axis=(1, 2)),
        "sharpness": gradients,
        "noise": np.sqrt(np.pi / 2) / 6 * rough,
    }


Measures = dict[str, NDArray[np.float64]]
Ways = tuple[Change | None, Change | None]


def _brightness(own: Measures, usual: Measures, rng: np.random.Generator) -> Ways:
    step = float(own["brightness"].mean() - usual["brightness"].mean())
    return (lambda images: _clipped(images + step)), (lambda images: _clipped(images - step))


def _contrast(own: Measures, usual: Measures, rng: np.random.Generator) -> Ways:
    """Brightness and contrast together: images whose contrast changed alone are rare."""
    factor = float(own["contrast"].mean() / max(usual["contrast"].mean(), 1e-6))
    here, there = float(own["brightness"].mean()), float(usual["brightness"].mean())
    return (
        lambda images: _clipped((images - there) * factor + here),
        lambda images: _clipped((images - here) / max(factor, 1e-3) + there),
    )


def _sharpness(own: Measures, usual: Measures, rng: np.random.Generator) -> Ways:
    """A blur, by the width that brings the mean gradient down to that of the failing inputs."""
    wanted = float(own["sharpness"].mean() / max(usual["sharpness"].mean(), 1e-6))
    if wanted >= 1:
        return None, None
    return (lambda images: _as_strong(images, _blur, "sharpness", wanted, float(max(images.shape[2:])))), None


def _noise(own: Measures, usual: Measures, rng: np.random.Generator) -> Ways:
    """Normal noise that brings the measured noise up to that of the failing inputs, and a median filter."""
    wanted = float(own["noise"].mean() / max(usual["noise"].mean(), 1e-6))
    if wanted <= 1:
        return None, None
    seed = int(rng.integers(2**62))

    def noisy(images: Images, strength: float) -> Images:
        return _clipped(images + strength * np.random.default_rng(seed).standard_normal(images.shape))

    return (
        lambda images: _as_strong(images, noisy, "noise", wanted, 255.0),
        lambda images: ndimage.median_filter(images, size=(1, 1, 3, 3), mode="nearest"),
    )


def _as_strong(
    images: Images, change: Callable[[Images, float], Images], measure: str, wanted: float, most: float
) -> Images:
    """Images changed at the strength, up to the most, that multiplies their mean measure by what is wanted."""
    start, low, high = float(_measured(images)[measure].mean()), 0.0, most
    for _ in range(_STEPS):
        strength = (low + high) / 2
        reached = float(_measured(change(images, strength))[measure].mean()) / max(start, 1e-6)
        # A blur brings its measure down, noise brings it up.
        weak = reached > wanted if wanted < 1 else reached < wanted
        low, high = (strength, high) if weak else (low, strength)
    return change(images, (low + high) / 2)


_CHANGES: dict[str, Callable[[Measures, Measures, np.random.Generator], Ways]] = {
    "brightness": _brightness,
    "contrast": _contrast,
    "sharpness": _sharpness,
    "noise": _noise,
}


def _blur(images: Images, width: float) -> Images:
    return _clipped(ndimage.gaussian_filter(images.astype(np.float32), (0, 0, width, width), mode="nearest"))


def _clipped(values: NDArray[np.floating]) -> Images:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def _right(answers: NDArray[np.int64], labels: NDArray[np.int64]) -> Interval:
    return wilson(int((answers == labels).sum()), len(labels))
