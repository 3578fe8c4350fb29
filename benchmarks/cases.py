"""The cases of each suite by name."""

from typing import Any, Protocol

from benchmarks.backdoors import Backdoor
from benchmarks.detection import Detection
from benchmarks.fleet import CLOTHES, PHOTOS, PHOTOS_ON_A_PROCESSOR
from benchmarks.fleet_audits import FleetAudits
from benchmarks.fleet_monitors import FleetMonitors
from benchmarks.fleet_repairs import FleetRepairs
from benchmarks.flips import Flips
from benchmarks.grids import Overhead, RayWorkers
from benchmarks.kernels import ManyFeatures, NearVectors
from benchmarks.large import Bounded, Growth, Memory, Reading
from benchmarks.many_classes import ManyClasses
from benchmarks.model_audit import Cleansing, MoreClasses, Stripping
from benchmarks.peer_defects import Offset, OneCloudEach
from benchmarks.scanners import Scanners, ScanningSpeed
from benchmarks.sequential import Program
from benchmarks.speed import StartUp, WholeAudit
from benchmarks.spreading import Spreading
from benchmarks.untouched import Untouched
from benchmarks.whole_audits import AuditBesidePeers
from bezoar.attacks.poisoning.badnets import BadNets
from bezoar.attacks.poisoning.blended import Blended
from bezoar.attacks.poisoning.label_flip import LabelFlip


class Case(Protocol):
    """Something to measure at a seed."""

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Everything measured; what tables are made of under "figures"."""
        ...


_PATCH = BadNets(rate=0.01, size=3, place="bottom_right", pattern="white", opacity=1.0)
_BLEND = Blended(rate=0.02)

FOUNDATION: dict[str, Case] = {
    "start-up": StartUp(),
    "untouched-breast_cancer": Untouched(data="breast_cancer"),
    "untouched-digits": Untouched(data="digits"),
    "untouched-mnist5k": Untouched(data="mnist5k"),
    "untouched-pneumoniamnist": Untouched(data="pneumoniamnist"),
    "untouched-adult": Untouched(data="adult"),
    "untouched-fashion20k": Untouched(data="fashion20k"),
    "badnets-mnist5k": Backdoor(data="mnist5k", attack=_PATCH),
    "blended-mnist5k": Backdoor(data="mnist5k", attack=_BLEND),
    "flips-uniform-mnist5k": Flips(data="mnist5k", attack=LabelFlip(rate=0.05)),
    "flips-7-to-1-mnist5k": Flips(data="mnist5k", attack=LabelFlip(rate=0.05, original="7", target="1")),
    "flips-age-adult": Flips(data="adult", attack=LabelFlip(where="age > 60", rate=0.1)),
    "badnets-fashion20k": Backdoor(data="fashion20k", attack=_PATCH),
    "blended-fashion20k": Backdoor(data="fashion20k", attack=_BLEND),
    "speed-fashion20k": WholeAudit(data="fashion20k"),
}

_FAINT = Blended(rate=0.01, opacity=0.15)

SIDE_BY_SIDE: dict[str, Case] = {
    "class-at-0": Offset(offset=0.0),
    "class-at-minus-6": Offset(offset=-6.0),
    "one-cloud-a-class": OneCloudEach(),
    "labels-50k-of-1000-classes": ManyClasses(),
    "detection-untouched-fashion20k": Detection(data="fashion20k"),
    "detection-untouched-fashion60k": Detection(data="fashion60k"),
    "detection-badnets-fashion20k": Detection(data="fashion20k", attack=_PATCH),
    "detection-blended-fashion20k": Detection(data="fashion20k", attack=_FAINT),
    "audit-untouched-fashion20k": AuditBesidePeers(data="fashion20k"),
    "audit-badnets-fashion20k": AuditBesidePeers(data="fashion20k", attack=_PATCH),
    "audit-blended-fashion20k": AuditBesidePeers(data="fashion20k", attack=_FAINT),
}
KERNELS: dict[str, Case] = {
    "features-1m-by-512": ManyFeatures(),
    "features-1m-by-512-two-folds": ManyFeatures(folds=2),
    "near-50k-by-384": NearVectors(),
    "near-50k-by-384-all-directions": NearVectors(grouped=False),
}
SCALE: dict[str, Case] = {
    "reading-1m-pictures": Reading(data="fashion60k", rows=1_000_000),
    "memory-fashion60k": Memory(data="fashion60k"),
    "memory-cifar50k": Memory(data="cifar50k"),
    "memory-asked-cifar100k": Bounded(data="cifar50k", rows=100_000),
    "growth-10k-to-100k": Growth(data="fashion60k", rows=10_000),
    "shards-on-ray": Spreading(data="fashion20k"),
    "grid-on-ray": RayWorkers(),
    "grid-overhead": Overhead(),
}
MODEL_FILES: dict[str, Case] = {"scanners": Scanners(), "scanning-1-gb": ScanningSpeed()}
FLEET: dict[str, Case] = {
    "fleet-fashion": FleetAudits(kind=CLOTHES),
    "monitors-fashion": FleetMonitors(kind=CLOTHES),
    "repairs-fashion": FleetRepairs(kind=CLOTHES),
    "fleet-cifar": FleetAudits(kind=PHOTOS),
    "monitors-cifar": FleetMonitors(kind=PHOTOS),
    "monitors-cifar-hardest": FleetMonitors(
        kind=PHOTOS_ON_A_PROCESSOR,
        chosen=(("blended", 1), ("wanet", 0), ("wanet", 1)),
    ),
    "repairs-cifar": FleetRepairs(kind=PHOTOS, repairs=("advised", "fine_tuning")),
}
MODEL_AUDIT: dict[str, Case] = {
    "cleanse-fashion20k": Cleansing(data="fashion20k", attack=_PATCH, program=Program()),
    "cleanse-same-passes-fashion20k": Cleansing(data="fashion20k", attack=_PATCH, program=Program(), folded=True),
    "cleanse-whole-steps-fashion20k": Cleansing(
        data="fashion20k", attack=_PATCH, program=Program(batches=31, early_stop=25)
    ),
    "classes-10-to-43": MoreClasses(),
    "strip-fashion20k": Stripping(data="fashion20k", attack=_PATCH),
}
SUITES = {
    "foundation": FOUNDATION,
    "sidebyside": SIDE_BY_SIDE,
    "kernels": KERNELS,
    "scale": SCALE,
    "modelfiles": MODEL_FILES,
    "fleet": FLEET,
    "modelaudit": MODEL_AUDIT,
}
SEEDS = {
    "foundation": range(5),
    "sidebyside": range(3),
    "kernels": range(3),
    "scale": range(3),
    "modelfiles": range(1),
    "fleet": range(1),
    "modelaudit": range(3),
}
"""The seeds that each suite is measured at where none are named."""
