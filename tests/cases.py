"""What each method must reach on a planted case: one row a method. `test_contract.py` runs them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A planted case.

    Parameters
    ----------
    data : "digits" (1,797 images, trained on), "large digits" (the same at 28 x 28) or "planted"
        (`bezoar.checks.planted_trace`).
    metric : "asr" (share of stamped held-out rows of other classes that are taken for the target), "confused" (share of
        held-out rows of the struck class that are taken for the target), "auroc", "repaired" (share of the flagged
        rows that are gone or carry their true label), "lead" (how far a score of the target moves ahead of the
        others where a model is backdoored), or "asr taken" (share of the ASR that a repair of the model takes away).
    at_least : what the method must reach.
    control_at_most : what the same measure may reach where nothing was planted.
    settings : parameters of the method.
    attack : what backdoored the model that is looked at, with settings where it has any: "badnets size=2".
    """

    data: str
    metric: str
    at_least: float
    control_at_most: float
    settings: dict[str, Any] = field(default_factory=dict)
    attack: str = ""


PATCH = "badnets size=4 pattern=checkerboard"

CASES = {
    # attacks
    "badnets": Case(data="digits", metric="asr", at_least=0.9, control_at_most=0.15),
    "blended": Case(data="digits", metric="asr", at_least=0.9, control_at_most=0.15),
    "input_aware": Case(
        data="digits",
        metric="asr",
        at_least=0.5,
        control_at_most=0.15,
        settings={"rate": 0.2, "density": 0.1},
    ),
    "label_consistent": Case(data="digits", metric="asr", at_least=0.9, control_at_most=0.15),
    "label_flip": Case(
        data="digits",
        metric="confused",
        at_least=0.5,
        control_at_most=0.05,
        settings={"rate": 0.8, "original": 7, "target": 1},
    ),
    # Six strips alias on 8 columns, and digits are so easy that a faint clean-label trigger is not learned.
    "sig": Case(
        data="digits",
        metric="asr",
        at_least=0.5,
        control_at_most=0.15,
        settings={"rate": 0.09, "target": 1, "delta": 80.0, "frequency": 3, "test_delta": 120.0},
    ),
    "trojannn": Case(data="digits", metric="asr", at_least=0.9, control_at_most=0.15),
    # At the paper's strength a quarter of a pixel is moved, and 8 x 8 pixels are few.
    "wanet": Case(
        data="digits", metric="asr", at_least=0.7, control_at_most=0.15, settings={"rate": 0.2, "strength": 1.0}
    ),
    # detectors
    "activation_clustering": Case(data="planted", metric="auroc", at_least=0.9, control_at_most=0.7),
    "confident_learning": Case(data="planted", metric="auroc", at_least=0.95, control_at_most=0.7),
    "duplicates": Case(data="planted", metric="auroc", at_least=0.95, control_at_most=0.7),
    "ensemble_disagreement": Case(data="planted", metric="auroc", at_least=0.95, control_at_most=0.7),
    "mahalanobis": Case(data="planted", metric="auroc", at_least=0.9, control_at_most=0.7),
    "isolation_forest": Case(data="planted", metric="auroc", at_least=0.75, control_at_most=0.7),
    "knn_disagreement": Case(data="planted", metric="auroc", at_least=0.95, control_at_most=0.7),
    "loss_dynamics": Case(data="planted", metric="auroc", at_least=0.95, control_at_most=0.7),
    "spectral_signatures": Case(data="planted", metric="auroc", at_least=0.9, control_at_most=0.7),
    # detectors of models
    "adversarial_patch": Case(
        data="digits", metric="lead", at_least=0.8, control_at_most=0.15, attack="badnets size=2"
    ),
    "generator_inversion": Case(data="digits", metric="lead", at_least=0.5, control_at_most=0.4, attack="wanet"),
    "b3d": Case(
        data="digits",
        metric="lead",
        at_least=0.6,
        control_at_most=0.45,
        attack="badnets size=2",
    ),
    # Of 8 x 8 pixels there are few waves, and each is a shortcut to some digit.
    "channel_lipschitz": Case(data="digits", metric="lead", at_least=0.2, control_at_most=0.12, attack="wanet"),
    "fourier_basis": Case(
        data="digits", metric="lead", at_least=0.15, control_at_most=0.13, attack="sig", settings={"height": 128.0}
    ),
    "maximum_margin": Case(data="digits", metric="lead", at_least=0.3, control_at_most=0.3, attack="badnets"),
    "neural_cleanse": Case(data="digits", metric="lead", at_least=0.6, control_at_most=0.4, attack="badnets size=2"),
    "neuron_stimulation": Case(data="digits", metric="lead", at_least=0.6, control_at_most=0.5, attack="input_aware"),
    "tabor": Case(data="digits", metric="lead", at_least=0.6, control_at_most=0.4, attack="badnets size=2"),
    "trojan_signature": Case(data="digits", metric="lead", at_least=2.5, control_at_most=0.8, attack="badnets size=2"),
    "universal_perturbation": Case(
        data="digits", metric="lead", at_least=0.5, control_at_most=0.5, attack="blended", settings={"steps": 150}
    ),
    "warp_inversion": Case(
        data="digits", metric="lead", at_least=0.5, control_at_most=0.4, attack="wanet", settings={"steps": 150}
    ),
    # detectors of inputs
    "bad_expert": Case(data="large digits", metric="auroc", at_least=0.95, control_at_most=0.6, attack=PATCH),
    "beatrix": Case(data="large digits", metric="auroc", at_least=0.9, control_at_most=0.6, attack=PATCH),
    "corruption_contrast": Case(data="large digits", metric="auroc", at_least=0.9, control_at_most=0.6, attack=PATCH),
    "ibd_psc": Case(data="large digits", metric="auroc", at_least=0.6, control_at_most=0.6, attack=PATCH),
    "layer_disagreement": Case(data="large digits", metric="auroc", at_least=0.95, control_at_most=0.6, attack=PATCH),
    "layer_distance": Case(data="large digits", metric="auroc", at_least=0.95, control_at_most=0.6, attack="blended"),
    "scale_up": Case(data="large digits", metric="auroc", at_least=0.8, control_at_most=0.6, attack=PATCH),
    "strip": Case(data="large digits", metric="auroc", at_least=0.9, control_at_most=0.6, attack=PATCH),
    "teco": Case(data="large digits", metric="auroc", at_least=0.9, control_at_most=0.6, attack=PATCH),
    # mitigations
    "filter": Case(data="planted", metric="repaired", at_least=1.0, control_at_most=0.0),
    "quarantine": Case(data="planted", metric="repaired", at_least=1.0, control_at_most=0.0),
    "relabel": Case(data="planted", metric="repaired", at_least=0.9, control_at_most=0.0),
    # mitigations of models
    "abl": Case(data="large digits", metric="asr taken", at_least=0.9, control_at_most=0.0, attack=PATCH),
    "anp": Case(data="large digits", metric="asr taken", at_least=0.3, control_at_most=0.0, attack=PATCH),
    "clp": Case(data="large digits", metric="asr taken", at_least=0.0, control_at_most=0.0, attack=PATCH),
    "fine_pruning": Case(data="large digits", metric="asr taken", at_least=0.7, control_at_most=0.0, attack=PATCH),
    "fine_tuning": Case(data="large digits", metric="asr taken", at_least=0.3, control_at_most=0.0, attack=PATCH),
    "i_bau": Case(data="large digits", metric="asr taken", at_least=0.2, control_at_most=0.0, attack=PATCH),
    "nad": Case(data="large digits", metric="asr taken", at_least=0.6, control_at_most=0.0, attack=PATCH),
    "relearning": Case(
        data="large digits",
        metric="asr taken",
        at_least=0.95,
        control_at_most=0.0,
        attack=PATCH,
        settings={"steps": 500, "inputs": 2_000, "pressed": 900, "stamped": 500},
    ),
    "unlearning": Case(data="large digits", metric="asr taken", at_least=0.95, control_at_most=0.0, attack=PATCH),
}
