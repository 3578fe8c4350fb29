"""The figures of each case, and how each is shown and judged."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a case.

    Parameters
    ----------
    name : its key among the figures of a result.
    title : in words.
    kind : how it is written. A "fact" is true or false, a "share" in [0, 1], a "change" a difference of shares, a
        "memory" in MiB.
    goal : bound on the median; for a fact what it must be at every seed; None where nothing is promised.
    at_least : the side on which the goal lies.
    """

    name: str
    title: str
    kind: Literal["fact", "share", "change", "area", "ratio", "times", "seconds", "memory", "number"]
    goal: float | None = None
    at_least: bool = True

    @property
    def wanted(self) -> str:
        """The goal in words."""
        if self.goal is None:
            return ""
        if self.kind == "fact":
            return "always" if self.goal else "never"
        return f"{'at least' if self.at_least else 'at most'} {_BOUND[self.kind](self.goal)}"

    def reached(self, values: Sequence[float]) -> bool:
        """Whether these values, one a seed, reach the goal."""
        if self.goal is None:
            return True
        if self.kind == "fact":
            return all(value == self.goal for value in values)
        median = statistics.median(values)
        return median >= self.goal if self.at_least else median <= self.goal

    def shown(self, values: Sequence[float]) -> tuple[str, str]:
        """Median and spread."""
        if self.kind == "fact":
            return f"{sum(map(int, values))} of {len(values)}", ""
        written = _WRITTEN[self.kind]
        return written(statistics.median(values)), f"{written(min(values))} - {written(max(values))}"


_WRITTEN: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:.2f} %",
    "change": lambda value: f"{100 * value:+.2f} points",
    "area": lambda value: f"{value:.3f}",
    "ratio": lambda value: f"{value:.2f}",
    "times": lambda value: f"{value:.1f} x",
    "seconds": lambda value: f"{value:.2g} s" if value < 0.1 else f"{value:.2f} s" if value < 10 else f"{value:.0f} s",
    "memory": lambda value: f"{value:.0f} MiB",
    "number": lambda value: f"{value:g}",
}
_BOUND: dict[str, Callable[[float], str]] = {
    "share": lambda value: f"{100 * value:g} %",
    "change": lambda value: f"{100 * value:+g} points",
    "area": lambda value: f"{value:g}",
    "ratio": lambda value: f"{value:g}",
    "times": lambda value: f"{value:g} x",
    "seconds": lambda value: f"{value:g} s",
    "memory": lambda value: f"{value:g} MiB",
    "number": lambda value: f"{value:g}",
}

_UNTOUCHED = (
    Figure(name="backdoor_found", title="a backdoor is reported", kind="fact"),
    Figure(name="flagged", title="rows flagged", kind="share"),
    Figure(name="findings", title="findings of any kind", kind="number"),
    Figure(name="exit_status", title="exit status at the default gate", kind="number"),
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
)
_CLEAN = (Figure(name="accuracy", title="accuracy of a clean training", kind="share"),)
_BLAMED = (
    Figure(name="source_first", title="the source to blame is named first", kind="fact"),
    Figure(name="source_alone", title="no other source is blamed", kind="fact"),
)


_BACKDOOR = (
    Figure(name="tpr", title="poisoned rows flagged (TPR)", kind="share"),
    Figure(name="fpr", title="other rows flagged (realised FPR)", kind="share"),
    Figure(name="confirmed", title="confirmed by experiment", kind="fact"),
    Figure(name="right_target", title="the target is named", kind="fact"),
    Figure(name="trigger_shown", title="the trigger is shown", kind="fact"),
    Figure(name="wrong_targets", title="backdoors reported for other classes", kind="number"),
    Figure(name="auroc", title="AUROC", kind="area"),
    Figure(name="ap", title="average precision", kind="area"),
    *_BLAMED,
    Figure(name="poisoned_asr", title="ASR before repair", kind="share"),
    Figure(name="relabel_asr", title="ASR after `relabel`", kind="share"),
    Figure(name="filter_asr", title="ASR after `filter`", kind="share"),
    Figure(name="poisoned_accuracy", title="accuracy before repair", kind="share"),
    Figure(name="relabel_change", title="accuracy after `relabel` less clean training", kind="change"),
    Figure(name="filter_change", title="accuracy after `filter` less clean training", kind="change"),
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
)


_FLIPS = (
    Figure(name="ap", title="average precision", kind="area"),
    Figure(name="cleanlab_ap", title="average precision of cleanlab, the better of its two scores", kind="area"),
    Figure(name="ap_lead", title="average precision less cleanlab's, seed by seed", kind="area"),
    Figure(name="auroc", title="AUROC", kind="area"),
    Figure(name="cleanlab_self_confidence_auroc", title="AUROC of cleanlab's self-confidence", kind="area"),
    Figure(name="cleanlab_normalized_margin_auroc", title="AUROC of cleanlab's normalised margin", kind="area"),
    Figure(name="tpr", title="flipped rows flagged (TPR)", kind="share"),
    Figure(name="fpr", title="other rows flagged (realised FPR)", kind="share"),
    Figure(name="precision", title="precision of the flags", kind="share"),
    Figure(name="cleanlab_tpr", title="TPR of cleanlab's default filter", kind="share"),
    Figure(name="cleanlab_fpr", title="realised FPR of cleanlab's default filter", kind="share"),
    Figure(name="cleanlab_precision", title="precision of cleanlab's default filter", kind="share"),
    *_BLAMED,
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
)


_FOUNDATION: dict[str, tuple[Figure, ...]] = {
    **{f"untouched-{name}": _UNTOUCHED for name in ("digits", "breast_cancer", "pneumoniamnist", "adult")},
    **{f"untouched-{name}": _UNTOUCHED + _CLEAN for name in ("mnist5k", "fashion20k")},
    **{f"badnets-{name}": _BACKDOOR for name in ("mnist5k", "fashion20k")},
    **{f"blended-{name}": _BACKDOOR for name in ("mnist5k", "fashion20k")},
    "flips-uniform-mnist5k": _FLIPS,
    "flips-7-to-1-mnist5k": _FLIPS,
    "flips-age-adult": _FLIPS,
    "speed-fashion20k": (
        Figure(name="seconds", title="seconds of the whole process", kind="seconds"),
        Figure(name="audit_seconds", title="seconds of the audit within", kind="seconds"),
    ),
    "start-up": (
        Figure(name="import_seconds", title="`import bezoar`", kind="seconds"),
        Figure(name="help_seconds", title="`bezoar --help`", kind="seconds"),
        Figure(name="python_seconds", title="Python alone, for comparison", kind="seconds"),
    ),
}

_DETECTION = (
    Figure(name="faster", title="times as fast as ART's two detections on the same features", kind="times"),
    Figure(
        name="faster_than_silhouettes", title="times as fast as ART's two where it looks at silhouettes", kind="times"
    ),
    Figure(name="seconds", title="seconds of both detectors", kind="seconds"),
    Figure(name="art_seconds", title="seconds of ART's two", kind="seconds"),
    Figure(name="art_silhouette_seconds", title="seconds of ART's two where it looks at silhouettes", kind="seconds"),
    Figure(name="split_classes", title="classes in which activation clustering sees two clusters", kind="number"),
    Figure(name="art_split_classes", title="classes in which ART's does", kind="number"),
    Figure(name="art_silhouette_split_classes", title="classes in which ART's does by silhouettes", kind="number"),
    Figure(name="art_spectral_fpr", title="ART's spectral signatures: other rows flagged (FPR)", kind="share"),
    Figure(name="art_spectral_told_fpr", title="ART's spectral signatures told the poison rate: FPR", kind="share"),
    Figure(name="art_clustering_fpr", title="ART's activation clustering: FPR", kind="share"),
    Figure(name="art_silhouette_fpr", title="ART's activation clustering by silhouettes: FPR", kind="share"),
)
_DETECTED = (
    Figure(name="spectral_auroc", title="AUROC of spectral signatures", kind="area"),
    Figure(name="art_spectral_auroc", title="AUROC of ART's", kind="area"),
    Figure(name="art_spectral_tpr", title="ART's spectral signatures: poisoned rows flagged (TPR)", kind="share"),
    Figure(name="spectral_tpr", title="ours: TPR at ART's FPR", kind="share"),
    Figure(name="art_spectral_told_tpr", title="ART's spectral signatures told the poison rate: TPR", kind="share"),
    Figure(name="spectral_told_tpr", title="ours, told nothing: TPR at that FPR", kind="share"),
    Figure(name="art_clustering_tpr", title="ART's activation clustering: TPR", kind="share"),
    Figure(name="clustering_tpr", title="ours: TPR at ART's FPR", kind="share"),
    Figure(name="art_silhouette_tpr", title="ART's activation clustering by silhouettes: TPR", kind="share"),
    Figure(name="silhouette_tpr", title="ours: TPR at that FPR", kind="share"),
)
_BESIDE = (
    Figure(name="share_of_peers_seconds", title="seconds of the audit over those of the peers", kind="ratio"),
    Figure(name="accuracy_lead", title="accuracy of a network of ours less that of ART's", kind="change"),
    Figure(name="detection_faster", title="times as fast as ART's two detections after the fit", kind="times"),
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
    Figure(name="peers_seconds", title="seconds of the peers", kind="seconds"),
    Figure(name="art_fit_seconds", title="of these, ART's fit", kind="seconds"),
    Figure(name="art_detection_seconds", title="of these, ART's two detections", kind="seconds"),
    Figure(name="folds_seconds", title="of these, training on three folds for cleanlab", kind="seconds"),
    Figure(name="cleanlab_seconds", title="of these, cleanlab itself", kind="seconds"),
    Figure(name="detection_seconds", title="seconds of the same two detectors of ours", kind="seconds"),
    Figure(name="accuracy", title="accuracy of a network of ours, trained on half of the rows", kind="share"),
    Figure(name="accuracy_together", title="accuracy of our two networks together", kind="share"),
    Figure(name="peers_accuracy", title="accuracy of ART's network, trained on all rows", kind="share"),
    Figure(name="fpr", title="other rows flagged (FPR) by the audit", kind="share"),
    Figure(name="art_spectral_fpr", title="FPR of ART's spectral signatures", kind="share"),
    Figure(name="art_clustering_fpr", title="FPR of ART's activation clustering", kind="share"),
    Figure(name="cleanlab_fpr", title="FPR of cleanlab", kind="share"),
)
_CAUGHT = (
    Figure(name="tpr", title="poisoned rows flagged (TPR) by the audit", kind="share"),
    Figure(name="art_spectral_tpr", title="TPR of ART's spectral signatures", kind="share"),
    Figure(name="art_clustering_tpr", title="TPR of ART's activation clustering", kind="share"),
    Figure(name="cleanlab_tpr", title="TPR of cleanlab", kind="share"),
)
_OFFSET = (
    Figure(name="auroc", title="AUROC of spectral signatures", kind="area"),
    Figure(name="art_auroc", title="AUROC of ART's", kind="area"),
)

_SIDE_BY_SIDE: dict[str, tuple[Figure, ...]] = {
    **{f"detection-untouched-fashion{rows}": _DETECTION for rows in ("20k", "60k")},
    **{f"detection-{attack}-fashion20k": _DETECTION + _DETECTED for attack in ("badnets", "blended")},
    "audit-untouched-fashion20k": _BESIDE,
    **{f"audit-{attack}-fashion20k": _BESIDE + _CAUGHT for attack in ("badnets", "blended")},
    "class-at-0": _OFFSET,
    "class-at-minus-6": _OFFSET,
    "one-cloud-a-class": (
        Figure(
            name="split_classes", title="classes of 10 in which activation clustering sees two clusters", kind="number"
        ),
        Figure(name="art_split_classes", title="classes of 10 in which ART's does", kind="number"),
        Figure(name="art_clustering_fpr", title="rows that ART's activation clustering flags", kind="share"),
        Figure(name="art_spectral_fpr", title="rows that ART's spectral signatures flag", kind="share"),
    ),
    "labels-50k-of-1000-classes": (
        Figure(name="of_cleanlab", title="seconds of ours over those of cleanlab's filter", kind="ratio"),
        Figure(
            name="of_cleanlab_batched", title="seconds of ours over those of cleanlab's batched filter", kind="ratio"
        ),
        Figure(name="seconds", title="seconds of confident learning and the judgement", kind="seconds"),
        Figure(name="score_seconds", title="of these, confident learning", kind="seconds"),
        Figure(name="cleanlab_seconds", title="seconds of cleanlab's filter", kind="seconds"),
        Figure(name="cleanlab_batched_seconds", title="seconds of its batched filter", kind="seconds"),
        Figure(name="peak_mib", title="peak memory of the process", kind="memory"),
        Figure(name="cleanlab_peak_mib", title="peak memory of cleanlab's", kind="memory"),
        Figure(name="tpr", title="wrong labels flagged (TPR)", kind="share"),
        Figure(name="fpr", title="right labels flagged (FPR)", kind="share"),
        Figure(name="cleanlab_tpr", title="TPR of cleanlab's filter", kind="share"),
        Figure(name="cleanlab_fpr", title="FPR of cleanlab's filter", kind="share"),
    ),
}
_MANY_FEATURES = (
    Figure(name="seconds", title="seconds of all detectors that read features alone", kind="seconds"),
    Figure(name="peak_mib", title="peak memory of the process, the mapped file among it", kind="memory"),
    Figure(name="processor_seconds", title="seconds of processors", kind="seconds"),
    Figure(name="wrong_auroc", title="AUROC of k-NN disagreement on wrong labels", kind="area"),
    Figure(name="moved_auroc", title="AUROC of spectral signatures on moved rows of the class", kind="area"),
)
_NEAR_VECTORS = (
    Figure(name="faster", title="times as fast as faiss Flat, the faster of its two ways", kind="times"),
    Figure(name="recall", title="share of the near pairs that are found", kind="share"),
    Figure(name="seconds", title="seconds of ours", kind="seconds"),
    Figure(name="range_seconds", title="seconds of faiss's range search", kind="seconds"),
    Figure(name="search_seconds", title="seconds of faiss's search for 10 neighbours", kind="seconds"),
    Figure(name="pairs", title="near pairs", kind="number"),
)
_KERNELS: dict[str, tuple[Figure, ...]] = {
    **{f"features-1m-by-512{folds}": _MANY_FEATURES for folds in ("", "-two-folds")},
    **{f"near-50k-by-384{kind}": _NEAR_VECTORS for kind in ("", "-all-directions")},
}
_MEMORY = (
    Figure(name="allowed", title="peak memory over what is promised: twice the images and 1 GB", kind="ratio"),
    Figure(name="peak", title="peak memory of the process", kind="memory"),
    Figure(name="seconds", title="seconds of the audit", kind="seconds"),
)
_SCALE: dict[str, tuple[Figure, ...]] = {
    "reading-1m-pictures": (
        Figure(name="rows_a_second", title="rows a second, read, hashed and compared", kind="number"),
        Figure(name="cpu_seconds", title="seconds of processors", kind="seconds"),
        Figure(name="peak", title="peak memory of the process", kind="memory"),
    ),
    "memory-fashion60k": _MEMORY,
    "memory-cifar50k": _MEMORY,
    "memory-asked-cifar100k": _MEMORY,
    "growth-10k-to-100k": (
        Figure(name="growth", title="times the seconds for ten times the rows", kind="times"),
        Figure(name="cpu_growth", title="times the seconds of processors", kind="times"),
        Figure(name="seconds_small", title="seconds of 10,000 rows", kind="seconds"),
        Figure(name="seconds_large", title="seconds of 100,000 rows", kind="seconds"),
    ),
    "shards-on-ray": (
        Figure(name="equal", title="networks' answers and all scores are those made here", kind="fact"),
        Figure(name="embedding_seconds", title="seconds of embedding, here", kind="seconds"),
        Figure(name="embedding_on_ray_seconds", title="seconds of embedding, by two workers", kind="seconds"),
        Figure(name="scoring_seconds", title="seconds of scoring, here", kind="seconds"),
        Figure(name="scoring_on_ray_seconds", title="seconds of scoring, by two workers", kind="seconds"),
    ),
    "grid-on-ray": (
        Figure(name="speedup", title="times as fast with two workers as with one", kind="times"),
        Figure(name="equal", title="the results are equal", kind="fact"),
        Figure(name="one_worker_seconds", title="seconds of 24 rows on one worker", kind="seconds"),
        Figure(name="two_workers_seconds", title="seconds of 24 rows on two workers", kind="seconds"),
    ),
    "grid-overhead": (
        Figure(name="inline_seconds", title="seconds a cell, in one process", kind="seconds"),
        Figure(name="local_seconds", title="seconds a cell, through a worker", kind="seconds"),
        Figure(name="inline_done", title="every cell is done, in one process", kind="fact"),
        Figure(name="local_done", title="every cell is done, through a worker", kind="fact"),
    ),
}
_MODEL_FILES: dict[str, tuple[Figure, ...]] = {
    "scanners": (
        *(
            figure
            for prefix, of in (
                ("", "ours"),
                *((f"{peer}_", peer) for peer in ("picklescan", "modelscan", "fickling", "modelaudit")),
            )
            for figure in (
                Figure(name=f"{prefix}passed", title=f"{of}: hostile files passed as clean", kind="share"),
                Figure(name=f"{prefix}flagged", title=f"{of}: hostile files flagged", kind="share"),
                Figure(name=f"{prefix}false_alarms", title=f"{of}: honest files flagged", kind="share"),
                Figure(name=f"{prefix}refused", title=f"{of}: honest files that it cannot judge", kind="share"),
            )
        ),
        Figure(name="hostile", title="hostile files", kind="number"),
        Figure(name="honest", title="honest files", kind="number"),
    ),
    "scanning-1-gb": (
        Figure(name="slowest", title="MB a second of the slowest format", kind="number"),
        Figure(name="torch_zip", title="MB a second of a torch checkpoint", kind="number"),
        Figure(name="torch_legacy", title="MB a second of a torch checkpoint of the old format", kind="number"),
        Figure(name="safetensors", title="MB a second of safetensors", kind="number"),
        Figure(name="joblib", title="MB a second of joblib", kind="number"),
        Figure(name="npz", title="MB a second of npz", kind="number"),
    ),
}
_FLEET_OF_MODELS = (
    Figure(name="auroc", title="AUROC of backdoored against clean models", kind="area"),
    Figure(name="clean_called", title="clean models called backdoored", kind="number"),
    Figure(name="right_target", title="called models whose first class is the target", kind="share"),
    Figure(name="recovered", title="called models whose recovered trigger turns 80 % of held-out inputs", kind="share"),
    *(
        Figure(name=f"{attack}_detected", title=f"{attack}: models called backdoored", kind="share")
        for attack in ("badnets", "blended", "sig", "wanet", "label_consistent", "input_aware", "trojannn")
    ),
    Figure(name="models", title="models", kind="number"),
    Figure(name="not_taken", title="models in which the backdoor did not take, left out", kind="number"),
    Figure(name="seconds", title="seconds of an audit without controls", kind="seconds"),
)
_SEEN: tuple[tuple[str, str, Literal["area", "share"]], ...] = (
    ("auroc", "AUROC", "area"),
    ("tpr", "turned inputs flagged at 1 %", "share"),
)
_MONITORS = (
    Figure(name="auroc", title="mean AUROC of turned inputs against clean ones", kind="area"),
    Figure(name="patch_and_blend_tpr", title="turned inputs flagged at 1 %, patch and blend", kind="share"),
    Figure(name="passes", title="pictures passed for an input", kind="number"),
    Figure(name="tpr", title="turned inputs flagged at 1 %, all attacks", kind="share"),
    Figure(name="fpr", title="clean inputs flagged at 1 %", kind="share"),
    *(
        Figure(name=f"{attack}_{name}", title=f"{attack}: {title}", kind=kind)
        for attack in ("badnets", "blended", "sig", "wanet", "label_consistent", "input_aware", "trojannn")
        for name, title, kind in _SEEN
    ),
    *(
        Figure(name=f"{name}_alone", title=f"{name} alone: mean AUROC", kind="area")
        for name in ("bad_expert", "layer_disagreement", "layer_distance", "corruption_contrast")
    ),
    Figure(name="models", title="backdoored models", kind="number"),
)


def _repairs(*others: str) -> tuple[Figure, ...]:
    """Of the repair that is advised, and of others by name."""
    return (
        Figure(name="advised_asr", title="mean ASR after the repair that is advised", kind="share"),
        Figure(name="advised_cost", title="accuracy that it costs", kind="change"),
        Figure(name="advised_worst", title="largest ASR after it", kind="share"),
        *(
            figure
            for name in others
            for figure in (
                Figure(name=f"{name}_asr", title=f"{name}: mean ASR after it", kind="share"),
                Figure(name=f"{name}_cost", title=f"{name}: accuracy that it costs", kind="change"),
            )
        ),
        Figure(name="asr_before", title="mean ASR before", kind="share"),
        Figure(name="natural", title="stamped inputs that a clean model takes for the target", kind="share"),
        Figure(name="called", title="models in which the audit called a class", kind="number"),
        Figure(name="models", title="backdoored models", kind="number"),
        Figure(name="not_taken", title="models in which the backdoor did not take, left out", kind="number"),
    )


_FLEET: dict[str, tuple[Figure, ...]] = {
    "fleet-fashion": _FLEET_OF_MODELS,
    "monitors-fashion": _MONITORS,
    "repairs-fashion": _repairs("relearning", "fine_tuning", "fine_pruning", "nad", "anp", "i_bau", "clp"),
    "fleet-cifar": _FLEET_OF_MODELS,
    "monitors-cifar": _MONITORS,
    "monitors-cifar-hardest": _MONITORS,
    "repairs-cifar": _repairs("fine_tuning"),
}
_CLEANSING = (
    Figure(name="faster", title="times as fast over all classes as the published way", kind="times"),
    Figure(
        name="norm_of_published",
        title="norm of the target's mask at equal success over that of the published way",
        kind="ratio",
    ),
    Figure(name="anomaly_lead", title="anomaly index of the target less that of the published way", kind="number"),
    Figure(name="seconds", title="seconds over all classes", kind="seconds"),
    Figure(name="published_seconds", title="seconds of the published way", kind="seconds"),
    Figure(name="norm", title="norm of the target's mask in pixels", kind="ratio"),
    Figure(name="published_norm", title="of the published way", kind="ratio"),
    Figure(name="anomaly", title="anomaly index of the target", kind="ratio"),
    Figure(name="published_anomaly", title="of the published way", kind="ratio"),
    Figure(name="log_anomaly", title="anomaly index of the target among the logarithms of norms", kind="ratio"),
    Figure(name="published_log_anomaly", title="of the published way", kind="ratio"),
    Figure(name="success", title="inputs that no search saw, turned by the target's recovered trigger", kind="share"),
    Figure(name="published_success", title="of the published way", kind="share"),
    Figure(name="asr", title="ASR of the planted trigger", kind="share"),
)
_MODEL_AUDIT: dict[str, tuple[Figure, ...]] = {
    **{f"cleanse-{way}fashion20k": _CLEANSING for way in ("", "same-passes-", "whole-steps-")},
    "classes-10-to-43": (
        Figure(name="growth", title="times the seconds for 4.3 times the classes, over 4.3", kind="ratio"),
        Figure(name="few_seconds", title="seconds for 10 classes", kind="seconds"),
        Figure(name="many_seconds", title="seconds for 43 classes", kind="seconds"),
        Figure(name="few_accuracy", title="accuracy of the model of 10 classes", kind="share"),
        Figure(name="many_accuracy", title="accuracy of the model of 43 classes", kind="share"),
    ),
    "strip-fashion20k": (
        Figure(name="faster", title="times as fast an input as ART's STRIP, with one thread or two", kind="times"),
        Figure(name="tpr_lead", title="TPR less that of ART's at as many false alarms", kind="change"),
        Figure(name="faster_than_default", title="times as fast as ART's with two threads", kind="times"),
        Figure(name="faster_a_pass", title="times as fast a pass of a picture", kind="times"),
        Figure(name="passes", title="pictures passed for an input; ART's 20", kind="number"),
        Figure(name="auroc", title="AUROC of stamped inputs", kind="area"),
        Figure(name="seconds", title="seconds an input", kind="seconds"),
        Figure(name="art_seconds", title="seconds an input of ART's", kind="seconds"),
        Figure(name="art_tpr", title="stamped inputs that ART's abstains from (TPR)", kind="share"),
        Figure(name="art_fpr", title="other inputs that it abstains from (FPR)", kind="share"),
        Figure(name="tpr", title="TPR of ours at as many false alarms", kind="share"),
    ),
}
FIGURES = {
    "foundation": _FOUNDATION,
    "sidebyside": _SIDE_BY_SIDE,
    "kernels": _KERNELS,
    "scale": _SCALE,
    "modelfiles": _MODEL_FILES,
    "fleet": _FLEET,
    "modelaudit": _MODEL_AUDIT,
}
TITLES = {
    "foundation": "Foundation",
    "sidebyside": "Side by side with peers",
    "kernels": "Kernels",
    "scale": "Large sets",
    "modelfiles": "Model files",
    "fleet": "Fleet of models",
    "modelaudit": "Audits of models",
}
