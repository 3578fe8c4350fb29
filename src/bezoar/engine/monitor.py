"""A watch over a model at run time: every batch of inputs scored, with alarms at a stated rate on clean ones."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pydantic
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from bezoar.core.detector import InputDetector, Learned, Scorer, Suspect, Unit
from bezoar.core.errors import BezoarError, InputError, ParameterError
from bezoar.core.files import write_bytes
from bezoar.core.registry import lookup
from bezoar.learn.white_box import WhiteBox
from bezoar.maths.stats import Floats, conformal_p
from bezoar.maths.surprise import surprise, surprise_among

DETECTORS = ("bad_expert", "layer_disagreement", "layer_distance", "corruption_contrast")
"""What watches unless a person asks for others: eight pictures passed for each input. The first knows the backdoor by what is
left when the content is forgotten, the second the content by what is there before the backdoor acts, the third the trigger by
answers that no content gets, the fourth by what breaks it and what does not."""
REFERENCE = 0.5
"""Share of the clean inputs that detectors are fitted on; the rest are the null."""
FORM = "bezoar.monitor/1"
_KEY = "bezoar"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watched:
    """What a monitor says of a batch.

    Parameters
    ----------
    surprises : (n,) nats by detector, how rarely it finds a clean input as suspicious.
    score : (n,) their sum; higher is more suspicious.
    p_value : (n,) share of clean inputs whose score is as high.
    flagged : (n,) at the monitor's false alarm rate.
    """

    surprises: Mapping[str, Floats]
    score: Floats
    p_value: Floats
    flagged: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One detector with what it learned of the model.

    Parameters
    ----------
    name : in the table of detectors.
    detector : with its settings.
    learned : see :class:`InputDetector`.
    null : (m,) scores of clean inputs that it was not fitted on.
    scorer : scores inputs.
    """

    name: str
    detector: InputDetector
    learned: Learned
    null: Floats
    scorer: Scorer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Monitor:
    """Scores a stream of inputs in batches, from :func:`monitor` or :func:`load`.

    The score of an input is the sum of its detectors' surprises (Fisher's combination), and is held against the scores
    of clean inputs. Neither a trigger nor a target is known to any part of it.

    Parameters
    ----------
    watches : the detectors, the same clean inputs in all their nulls.
    null : (m,) scores of these clean inputs, each beside the others.
    shape : (c, h, w) of an input.
    model : digest of the weights that are watched.
    fpr : share of clean inputs that are flagged.
    """

    watches: tuple[Watch, ...]
    null: Floats
    shape: tuple[int, int, int]
    model: str
    fpr: float

    @property
    def passes(self) -> int:
        """Pictures that are passed through a network for each input."""
        return sum(each.detector.passes for each in self.watches)

    def watch(self, images: NDArray[np.uint8]) -> Watched:
        """What all detectors together say of inputs (n, c, h, w), and which are flagged.

        Raises
        ------
        ParameterError
            Inputs of another shape or type.
        """
        if images.shape[1:] != self.shape or images.dtype != np.uint8:
            raise ParameterError(f"inputs must be (n, {', '.join(map(str, self.shape))}) uint8. Got {images.shape}.")
        surprises = {each.name: surprise(each.scorer(images), each.null) for each in self.watches}
        score: Floats = np.sum(list(surprises.values()), axis=0)
        p_value = conformal_p(score, self.null)
        return Watched(surprises=surprises, score=score, p_value=p_value, flagged=p_value <= self.fpr)

    def stream(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Watched]:
        """:meth:`watch` of one batch after the other, each as it is asked for."""
        return map(self.watch, batches)

    def save(self, path: Path) -> Path:
        """Write everything but the model to one safetensors file. Raises ``OutputError`` where it cannot be written."""
        card = _Card(
            form=FORM,
            detectors=tuple((each.name, dataclasses.asdict(each.detector)) for each in self.watches),  # type: ignore[call-overload]  # methods are dataclasses
            shape=self.shape,
            model=self.model,
            fpr=self.fpr,
        )
        arrays = {f"{each.name}.null": each.null for each in self.watches}
        for each in self.watches:
            arrays |= {f"{each.name}.learned.{name}": value for name, value in each.learned.items()}
        plain = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
        said = json.dumps(_CARD.dump_python(card, mode="json"))
        return write_bytes(path, safetensors.numpy.save(plain, {_KEY: said}))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Card:
    """What a file says of the monitor in it."""

    form: str
    detectors: tuple[tuple[str, dict[str, Any]], ...]
    shape: tuple[int, int, int]
    model: str
    fpr: Annotated[float, pydantic.Field(gt=0, lt=1)]


_CARD = pydantic.TypeAdapter(_Card)


def monitor(
    model: WhiteBox,
    clean: NDArray[np.uint8],
    labels: NDArray[np.int64],
    *,
    rng: np.random.Generator,
    detectors: tuple[str, ...] = DETECTORS,
    fpr: float = 0.01,
) -> Monitor:
    """Fit detectors on a part of some clean inputs and set the threshold by the rest.

    Parameters
    ----------
    clean, labels : (n, c, h, w) uint8 and (n,). A rate of 1 % needs 198 at least; the more there are, the nearer the
        realised rate is to the one that is asked for (see the docs on models).
    detectors : names of detectors of inputs, with their default settings.
    fpr : share of clean inputs that may be flagged, in (0, 1).

    Raises
    ------
    ParameterError
        A rate outside its range, or detectors that are none or not of inputs.
    InputError
        Too few clean inputs to tell such a rate, or a network that a detector cannot look into.
    """
    if not 0 < fpr < 1:
        raise ParameterError(f"`fpr` must be in (0, 1). Got {fpr}.")
    methods = [(name, _detector(name, {})) for name in detectors]
    if not methods:
        raise ParameterError("`detectors` must name at least one. Got none.")
    order = rng.permutation(len(clean))
    few = round(REFERENCE * len(clean))
    fitted_on, rest = order[:few], order[few:]
    needed = max(2, int(np.ceil(1 / fpr)) - 1)
    if len(rest) < needed:
        enough = int(np.ceil(needed / (1 - REFERENCE)))
        raise InputError(f"{len(clean)} clean inputs cannot tell a rate of {fpr:g}. {enough:,} can, or a higher rate.")
    suspect = Suspect(model=model, clean=clean[fitted_on], labels=labels[fitted_on])
    watches = []
    for (name, method), own in zip(methods, rng.spawn(len(methods)), strict=True):
        learned = method.fit(suspect, own)
        scorer = method.scorer(model, learned)
        null = scorer(clean[rest])
        watches.append(Watch(name=name, detector=method, learned=learned, null=null, scorer=scorer))
    _, channels, height, width = clean.shape
    return Monitor(
        watches=tuple(watches), null=_null(watches), shape=(channels, height, width), model=_digest(model), fpr=fpr
    )


def load(path: Path, model: WhiteBox) -> Monitor:
    """The monitor in a file, for the model that it was made for. Nothing in the file is executed.

    Raises
    ------
    InputError
        No such file, damaged, of another form, or made for another model.
    ParameterError, UnknownNameError
        A detector that is not there, or not with these settings.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            card = _CARD.validate_json((file.metadata() or {}).get(_KEY, ""))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no mapping
    except (OSError, safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no monitor: {' '.join(str(error).split())[:200]}.") from error
    if card.form != FORM:
        raise InputError(f"{path}: is of the form {card.form[:40]!r}; {FORM} is known.")
    if card.model != _digest(model):
        raise InputError(f"{path}: watches another model (weights {card.model[:12]}..., not {_digest(model)[:12]}...).")
    blank = np.zeros((1, *card.shape), np.uint8)
    watches = []
    for name, settings in card.detectors:
        method, head = _detector(name, settings), f"{name}.learned."
        learned = {each.removeprefix(head): value for each, value in arrays.items() if each.startswith(head)}
        try:
            null = np.asarray(arrays[f"{name}.null"], dtype=np.float64)
            scorer = method.scorer(model, learned)
            surprise(scorer(blank), null)
        except (LookupError, ValueError, RuntimeError, TypeError, BezoarError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: what it says of {name} does not fit the model: {reason}.") from error
        watches.append(Watch(name=name, detector=method, learned=learned, null=null, scorer=scorer))
    lengths = {len(each.null) for each in watches}
    if len(lengths) != 1 or min(lengths) < 2:
        raise InputError(
            f"{path}: must hold as many clean scores for each of its detectors, two or more, and have one detector at least."
        )
    return Monitor(watches=tuple(watches), null=_null(watches), shape=card.shape, model=card.model, fpr=card.fpr)


def _null(watches: Sequence[Watch]) -> Floats:
    """(m,) scores of the clean inputs in the nulls of all watches."""
    null: Floats = np.sum([surprise_among(each.null) for each in watches], axis=0)
    return null


def _detector(name: str, settings: Mapping[str, Any]) -> InputDetector:
    method: Callable[..., InputDetector] = lookup("detectors", name)
    if getattr(method, "unit", None) is not Unit.INPUT:
        raise ParameterError(f"`detectors` must be of inputs. {name} is not.")
    try:
        return method(**settings)
    except TypeError as error:
        raise ParameterError(f"{name} does not take such settings: {error}.") from error


def _digest(model: WhiteBox) -> str:
    """SHA-256 of names, shapes and numbers of all weights."""
    sha = hashlib.sha256()
    for name, value in model.network.state_dict().items():
        plain = value.detach().cpu().contiguous().numpy()
        sha.update(f"{name} {plain.shape} {plain.dtype}\n".encode() + plain.tobytes())
    return sha.hexdigest()
