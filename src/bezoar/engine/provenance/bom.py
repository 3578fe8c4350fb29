"""The bill of materials of a model: CycloneDX 1.6 with the model, its files, its training set and its audits.

Reference: CycloneDX Bill of Materials Specification 1.6 (ECMA-424), machine-learning bills of materials.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bezoar.core.report import Document, Evidence
from bezoar.data.manifest import Manifest
from bezoar.engine.provenance.files import Files
from bezoar.learn.modelfiles import Scan, worst

if TYPE_CHECKING:
    from bezoar.learn.saved import Card

PREDICATE = "https://cyclonedx.org/bom"
"""How in-toto names a bill of materials as what is said of subjects."""
_MODEL, _DATA = "model", "training-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A file that is kept beside the bill of materials, and its SHA-256 in hexadecimal."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """What is known of a model.

    Parameters
    ----------
    files : what makes it up.
    scans : what the scanner says of each.
    card : what a network that Bezoar saved says of itself.
    """

    files: Files
    scans: Sequence[Scan]
    card: "Card | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPart:
    """A training set: its manifest, and the file that keeps it."""

    manifest: Manifest
    kept: Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A report, and the file that keeps it."""

    report: Document
    kept: Beside


def bill(model: ModelPart | None, data: DataPart | None, audit: Audit | None) -> dict[str, Any]:
    """The bill of materials, as JSON values. An audit belongs to what it audited."""
    of_data = audit if audit is not None and audit.report.kind == "data" else None
    of_model = audit if audit is not None and audit.report.kind == "model" else None
    parts = [] if model is None else [_model(model, data, of_model)]
    parts += [] if data is None else [_data(data, of_data)]
    refs = [part["bom-ref"] for part in parts]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "tools": {
                "components": [{"type": "application", "name": "bezoar", "version": metadata.version("bezoar")}],
            },
            "component": parts[0],
        },
        "components": parts[1:],
        "dependencies": [{"ref": ref, "dependsOn": refs[place + 1 :]} for place, ref in enumerate(refs)],
    }


def kept(bom: dict[str, Any], name: str) -> str | None:
    """The SHA-256 in hexadecimal that a bill of materials states for a file beside it, or None."""
    for part in (bom["metadata"]["component"], *bom["components"]):
        for reference in part.get("externalReferences", ()):
            if reference["url"] == name:
                return str(reference["hashes"][0]["content"])
    return None


def _model(part: ModelPart, data: DataPart | None, audit: Audit | None) -> dict[str, Any]:
    files = part.files
    component: dict[str, Any] = {"type": "machine-learning-model", "bom-ref": _MODEL, "name": files.name}
    if files.alone:
        component["hashes"] = [_sha256(files.alone)]
    else:
        component["components"] = [
            {"type": "file", "bom-ref": f"{_MODEL}/{name}", "name": name, "hashes": [_sha256(digest)]}
            for name, digest in files.digests.items()
        ]
    card = _card(part, data, audit)
    if card:
        component["modelCard"] = card
    forms = ", ".join(sorted({scan.format for scan in part.scans}))
    said = [("format", forms), ("scan", str(worst(part.scans)))]
    return component | _beside([] if audit is None else [("evidence", audit.kept)]) | _properties(said, audit)


def _card(part: ModelPart, data: DataPart | None, audit: Audit | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    card = part.card
    summary = None if audit is None else audit.report.model
    if card is not None:
        shape = (card.channels, *card.size)
        parameters |= {
            "approach": {"type": "supervised"},
            "task": "classification",
            "modelArchitecture": card.recipe.architecture,
            "inputs": [{"format": f"image, {' x '.join(map(str, shape))}"}],
            "outputs": [{"format": f"log-probabilities of {len(card.classes):,} classes"}],
        }
    elif summary is not None and summary.parameters:
        parameters |= {"task": "classification", "modelArchitecture": summary.architecture}
    if data is not None:
        parameters["datasets"] = [{"ref": _DATA}]
    found: dict[str, Any] = {"modelParameters": parameters} if parameters else {}
    if audit is not None and summary is not None and summary.accuracy.n:
        metric = _metric(summary.accuracy, audit.report.dataset.name)
        found["quantitativeAnalysis"] = {"performanceMetrics": [metric]}
    return found


def _metric(accuracy: Evidence, inputs: str) -> dict[str, Any]:
    metric: dict[str, Any] = {
        "type": "accuracy",
        "value": f"{accuracy.value:.4f}",
        "slice": f"{accuracy.n:,} clean inputs of {inputs}",
    }
    if accuracy.low is not None and accuracy.high is not None:
        metric["confidenceInterval"] = {"lowerBound": f"{accuracy.low:.4f}", "upperBound": f"{accuracy.high:.4f}"}
    return metric


def _data(part: DataPart, audit: Audit | None) -> dict[str, Any]:
    manifest = part.manifest
    said = [
        ("merkle_root", manifest.merkle_root),
        ("rows", str(len(manifest.rows))),
        ("unread", str(manifest.unread)),
        ("modality", manifest.modality),
        ("classes", str(len(manifest.classes))),
        ("sources", str(len(manifest.sources))),
    ]
    references = [("other", part.kept)] + ([] if audit is None else [("evidence", audit.kept)])
    component: dict[str, Any] = {
        "type": "data",
        "bom-ref": _DATA,
        "name": manifest.name or "training data",
        "data": [{"type": "dataset", "name": manifest.name, "contents": {"url": part.kept.name}}],
    }
    return component | _beside(references) | _properties(said, audit)


def _beside(files: Iterable[tuple[str, Beside]]) -> dict[str, Any]:
    references = [{"type": kind, "url": file.name, "hashes": [_sha256(file.sha256)]} for kind, file in files]
    return {"externalReferences": references} if references else {}


def _properties(said: list[tuple[str, str]], audit: Audit | None) -> dict[str, Any]:
    if audit is not None:
        report = audit.report
        said += [("audit", str(report.status))]
        said += [("audit:check", f"{check.name}: {check.status}") for check in report.checks]
        said += [
            ("audit:finding", f"{each.code} {each.severity} {each.certainty}: {each.subject}")
            for each in report.findings
        ]
    return {"properties": [{"name": f"bezoar:{name}", "value": value} for name, value in said]}


def _sha256(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}
