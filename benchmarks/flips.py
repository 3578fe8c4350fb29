"""How an audit ranks and flags flipped labels, beside cleanlab on the same out-of-fold probabilities."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import audits, peers, sets
from bezoar.attacks.poisoning.label_flip import LabelFlip
from bezoar.maths.stats import auroc, average_precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Flip labels of one supplier's rows, audit, and let cleanlab judge the same predictions.

    Parameters
    ----------
    data : name of the set.
    attack : which labels are flipped; the supplier is chosen by the seed.
    """

    data: str
    attack: LabelFlip

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Ranking and flags of both."""
        rng = np.random.default_rng((seed, 1))
        clean = sets.with_sources(sets.load(self.data), rng)
        attack = dataclasses.replace(self.attack, supplier=str(rng.choice(sets.SOURCES)))
        poisoned = attack.poison(clean, rng)
        with tempfile.TemporaryDirectory() as folder:
            report = audits.run(poisoned.data, seed, controls=controls, checkpoints=Path(folder))
            held_out = audits.fitted(poisoned.data, report, seed, Path(folder)).trace.held_out.astype(np.float64)
        probabilities = np.exp(held_out)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        peer = peers.cleanlab(probabilities, poisoned.data.labels)
        result = audits.kept(report) | {"attack": dataclasses.asdict(attack), "peers": {"cleanlab": peer.version}}
        result["figures"] = (
            audits.rates(report, poisoned.changed)
            | audits.blame(report, str(attack.supplier))
            | _peer(peer, poisoned.changed)
            | {"seconds": report.run.seconds}
        )
        return result


def _peer(peer: peers.Verdict, changed: NDArray[np.bool_]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for name, quality in peer.quality.items():
        figures[f"cleanlab_{name}_ap"] = average_precision(-quality, changed)
        figures[f"cleanlab_{name}_auroc"] = auroc(-quality, changed)
    figures["cleanlab_ap"] = max(average_precision(-quality, changed) for quality in peer.quality.values())
    figures["cleanlab_tpr"] = float(peer.issues[changed].mean())
    figures["cleanlab_fpr"] = float(peer.issues[~changed].mean())
    figures["cleanlab_precision"] = float(changed[peer.issues].mean()) if peer.issues.any() else None
    return figures
