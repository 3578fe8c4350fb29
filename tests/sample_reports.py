"""Reports made by hand, one for each way an audit can end, and a hostile one."""

import base64
import dataclasses
import functools
import io

import numpy as np
import pyarrow as pa
from PIL import Image
from sklearn.datasets import load_digits

from bezoar.core.codes import CODES
from bezoar.core.report import (
    Certainty,
    Check,
    DatasetSummary,
    Evidence,
    Exhibit,
    Finding,
    Picture,
    PowerRow,
    Report,
    RunRecord,
    Severity,
    SourceRow,
    Status,
    UnreadRow,
)

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "'); DROP TABLE rows; --",
    "]]></system-out><evil/>",
    "\x00\x07\x1b[31mred\x1b[0m\x9b",
    "photo_\u202egpj.exe\u2066\u200b",
    "{{ 7*7 }}{% raw %} ${7*7} {0}",
    "[click](javascript:alert(1)) `code` |cell| @everyone www.example.com <https://example.com>",
    "[bold red]rich[/bold red] [link=https://example.com]x[/link]",
    "\ud800 lone \uffff",
    "a" * 10_000,
    "Z" + "\u0301" * 500,
    "line one\nline two\r\n\u2028three",
)
"""Names that a data set can carry."""


def picture(pixels: np.ndarray, caption: str) -> Picture:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    height, width = pixels.shape[:2]
    return Picture(png=base64.b64encode(stream.getvalue()).decode(), caption=caption, width=width, height=height)


@functools.cache
def _digits() -> np.ndarray:
    return load_digits().images


def digit(index: int, *, stamped: bool = False) -> np.ndarray:
    pixels = (_digits()[index] * 255 / 16).astype(np.uint8)
    pixels = np.kron(pixels, np.ones((3, 3), np.uint8))
    if stamped:
        pixels[-4:-1, -4:-1] = 255
    return pixels


def rows(n: int, flagged: int, code: str, source: list[str] | None = None) -> pa.Table:
    rng = np.random.default_rng(7)
    p = np.concatenate([rng.uniform(1e-12, 1e-5, flagged), rng.uniform(1e-3, 1, n - flagged)])
    marks = np.arange(n) < flagged
    columns = {
        "id": [f"row-{i}" for i in range(n)],
        "index": np.arange(n),
        "source": source or ["a"] * n,
        "label": ["7"] * n,
        "suggested_label": np.where(marks, "1", "7").tolist(),
        "loss_dynamics": -np.log(p),
        "p_value": p,
        "flagged": marks,
        "code": np.where(marks, code, "").tolist(),
    }
    return pa.table(columns)


def _charge(value: float, control: float) -> Evidence:
    return Evidence(name="rows flagged", value=value, low=0.8 * value, high=1.3 * value, n=1250, control=control)


def run(**changes) -> RunRecord:
    record = RunRecord(
        command="bezoar audit data train/ --source site --out report",
        arguments={"data": "train/", "source": "site", "out": "report"},
        defaults={"seed": 0, "device": "auto", "controls": True, "fail_on": "medium"},
        seed=0,
        started="2026-01-15T09:30:00+00:00",
        seconds=83.4,
        stages={"read": 1.2, "train": 41.0, "score": 6.5, "confirm": 9.1, "controls": 25.6},
        versions={"bezoar": "0.1.0", "python": "3.11.7", "numpy": "2.1.0", "torch": "2.13.0"},
        hardware={"processor": "x86_64", "cores": "2", "memory": "8 GiB", "accelerator": "none"},
        digests={"train/images.npz": "9f" * 32},
        notes=("Half precision was used where the processor has it.",),
    )
    return dataclasses.replace(record, **changes)


POWER = (
    PowerRow(
        kind="badnets 3x3 patch", rate=0.001, spiked=20, caught=9, power=0.45, low=0.258, high=0.658, confirmed=False
    ),
    PowerRow(
        kind="badnets 3x3 patch", rate=0.005, spiked=100, caught=93, power=0.93, low=0.863, high=0.966, confirmed=True
    ),
    PowerRow(
        kind="badnets 3x3 patch", rate=0.01, spiked=200, caught=198, power=0.99, low=0.964, high=0.997, confirmed=True
    ),
    PowerRow(kind="blended", rate=0.005, spiked=100, caught=61, power=0.61, low=0.512, high=0.7, confirmed=False),
    PowerRow(kind="blended", rate=0.02, spiked=400, caught=376, power=0.94, low=0.912, high=0.959, confirmed=True),
    PowerRow(kind="uniform label flips", rate=0.01, spiked=200, caught=184, power=0.92, low=0.874, high=0.95),
    PowerRow(kind="uniform label flips", rate=0.05, spiked=1000, caught=951, power=0.951, low=0.936, high=0.963),
)
FALSE_ALARMS = Evidence(name="untouched rows flagged", value=0.0021, low=0.0016, high=0.0028, n=19_400)
IMAGES = DatasetSummary(
    name="supplier-digits",
    modality="image",
    rows=5000,
    shape=(1, 24, 24),
    classes=tuple("0123456789"),
    class_counts=(500,) * 10,
    merkle_root="4c1d" * 16,
    sources=4,
)
CHECKS = (
    Check(name="backdoor", status=Status.FOUND, codes=("BZ101",)),
    Check(
        name="label errors",
        status=Status.FOUND,
        detail="48 rows disagree with models that never saw them.",
        codes=("BZ102", "BZ103"),
    ),
    Check(name="contradicting duplicates", status=Status.CLEAN, detail="No input occurs with two labels."),
    Check(name="subgroup flips", status=Status.NOT_APPLICABLE, detail="Images carry no columns to form subgroups of."),
)


def image_report() -> Report:
    hidden = np.zeros((24, 24), np.uint8) + 32
    hidden[-4:-1, -4:-1] = 255
    exhibits = tuple(
        Exhibit(
            id=f"img_{1000 + i:05d}.png",
            index=1000 + i,
            label="7",
            suggested=str(i % 7),
            source="acme imaging" if i % 5 else "site-b",
            p_value=10.0 ** (-12 + i // 2),
            code="BZ101",
            picture=picture(digit(i, stamped=True), f"row img_{1000 + i:05d}.png"),
        )
        for i in range(18)
    )
    backdoor = Finding(
        code="BZ101",
        title="Backdoor trigger in a training set",
        severity=Severity.CRITICAL,
        certainty=Certainty.CONFIRMED,
        subject="class 7",
        summary=(
            "51 rows labelled 7 share a 3 × 3 patch in the lower right corner. Stamped on untouched rows of other classes, "
            "the recovered patch turns 96.4 % of them into 7."
        ),
        rows=51,
        remedy="Set the 51 rows aside with `bezoar repair quarantine`, train again, and audit again.",
        evidence=(
            Evidence(
                name="rows of other classes turned to 7",
                value=0.964,
                low=0.948,
                high=0.976,
                n=800,
                control=0.011,
                note="Control: the class that gains most among the others.",
            ),
            Evidence(
                name="the same after removal and retraining", value=0.013, low=0.007, high=0.023, n=800, control=0.011
            ),
            Evidence(name="matched filter, rows above threshold", value=51, unit="rows", n=5000, control=0),
            Evidence(name="rows share the pattern by chance", value=3.2e-61, unit="p", n=500),
        ),
        pictures=(
            picture(hidden, "Recovered trigger: 3 × 3 patch, mask times pattern."),
            picture(digit(3), "An untouched row, labelled 3."),
            picture(digit(3, stamped=True), "The same row with the trigger: the model now says 7."),
        ),
        exhibits=exhibits[:12],
        references=CODES["BZ101"].framework(),
    )
    flips = Finding(
        code="BZ103",
        title="Systematic label flips",
        severity=Severity.HIGH,
        certainty=Certainty.SUSPICIOUS,
        subject="class 7 labelled 1",
        summary="24 rows labelled 1 look like 7 to models that never saw them.",
        rows=24,
        evidence=(Evidence(name="held-out models agree on 7", value=0.88, low=0.69, high=0.957, n=24, control=0.004),),
        exhibits=exhibits[12:],
        references=CODES["BZ103"].framework(),
    )
    source = Finding(
        code="BZ105",
        title="A source with more suspicious rows than the others",
        severity=Severity.HIGH,
        certainty=Certainty.SUSPICIOUS,
        subject="source acme imaging",
        summary="49 of the 75 flagged rows came from acme imaging, which delivered a quarter of the set.",
        rows=49,
        evidence=(Evidence(name="its rows flagged", value=0.0392, low=0.0298, high=0.0515, n=1250, control=0.0069),),
        references=CODES["BZ105"].framework(),
    )
    return Report(
        dataset=IMAGES,
        checks=CHECKS,
        findings=(flips, backdoor, source),
        run=run(),
        estimated_poison=Evidence(name="estimated poison", value=0.0134, low=0.0098, high=0.0171, n=5000),
        sources=(
            SourceRow(
                source="site-b",
                rows=1250,
                flagged=9,
                share=0.0072,
                low=0.0038,
                high=0.0136,
                p_value=1.0,
                blamed=False,
                because=_charge(0.0072, 0.0179),
            ),
            SourceRow(
                source="acme imaging",
                rows=1250,
                flagged=49,
                share=0.0392,
                low=0.0298,
                high=0.0515,
                p_value=2.1e-14,
                blamed=True,
                because=_charge(0.0392, 0.0069),
            ),
            SourceRow(
                source="north clinic",
                rows=1250,
                flagged=8,
                share=0.0064,
                low=0.0032,
                high=0.0126,
                p_value=1.0,
                blamed=False,
                because=_charge(0.0072, 0.0179),
            ),
            SourceRow(
                source="volunteers",
                rows=1250,
                flagged=9,
                share=0.0072,
                low=0.0038,
                high=0.0136,
                p_value=1.0,
                blamed=False,
                because=_charge(0.0072, 0.0179),
            ),
        ),
        power=POWER,
        control_flagged=FALSE_ALARMS,
        exhibits=exhibits,
        rows=rows(5000, 75, "BZ101"),
    )


def table_report() -> Report:
    cells = {
        "age": "67",
        "workclass": "Private",
        "education": "Bachelors",
        "hours-per-week": "40",
        "capital-gain": "15024",
    }
    exhibits = tuple(
        Exhibit(
            id=str(i),
            index=i,
            label="<=50K",
            suggested=">50K",
            p_value=10.0**-i,
            code="BZ103",
            cells={**cells, "age": str(60 + i)},
        )
        for i in range(3, 11)
    )
    finding = Finding(
        code="BZ103",
        title="Systematic label flips",
        severity=Severity.HIGH,
        certainty=Certainty.CONFIRMED,
        subject="subgroup age > 60",
        summary="182 rows with age above 60 carry <=50K where models that never saw them say >50K.",
        rows=182,
        evidence=(Evidence(name="held-out models agree", value=0.81, low=0.74, high=0.86, n=182, control=0.06),),
        exhibits=exhibits,
        references=CODES["BZ103"].framework(),
    )
    data = DatasetSummary(
        name="adult",
        modality="table",
        rows=20_000,
        shape=(5,),
        classes=("<=50K", ">50K"),
        class_counts=(15_210, 4_790),
        merkle_root="77ab" * 16,
        columns=tuple(cells),
        unread=2,
    )
    return Report(
        dataset=data,
        checks=(Check(name="label errors", status=Status.FOUND, detail="182 rows."), *CHECKS[2:]),
        findings=(finding,),
        run=run(trusted=True),
        power=POWER[-2:],
        exhibits=exhibits,
        unread=(
            UnreadRow(where="adult.csv:311", why="14 cells where 15 were expected"),
            UnreadRow(where="adult.csv:9044", why="not UTF-8"),
        ),
        rows=rows(2000, 182, "BZ103"),
    )


def clean_report(*, controls: bool = True) -> Report:
    return Report(
        dataset=IMAGES,
        checks=(
            Check(name="backdoor", status=Status.CLEAN, detail="No class reacts to a recovered pattern."),
            Check(name="label errors", status=Status.CLEAN, detail="3 rows disagree, no more than chance explains."),
            *CHECKS[2:],
        ),
        findings=(),
        run=run(),
        power=POWER if controls else None,
        control_flagged=FALSE_ALARMS if controls else None,
        rows=rows(500, 0, ""),
    )


def failed_report() -> Report:
    return dataclasses.replace(
        clean_report(controls=False),
        checks=(
            *CHECKS[2:],
            Check(name="backdoor", status=Status.FAILED, detail="Training stopped: the loss was not finite."),
        ),
        unread=tuple(
            UnreadRow(where=f"train/7/img_{i:04d}.png", why="30,000 × 30,000 pixels is over the limit of 50 million")
            for i in range(130)
        ),
    )


def hostile_report() -> Report:
    def name(i: int) -> str:
        return HOSTILE[i % len(HOSTILE)]

    exhibits = tuple(
        Exhibit(
            id=name(i),
            index=i,
            label=name(i + 1),
            suggested=name(i + 2),
            source=name(i + 3),
            p_value=1e-9,
            code="BZ102",
            cells={name(i + k): name(i + k + 1) for k in range(4)} if i % 2 else {},
            picture=None if i % 2 else picture(digit(i), name(i)),
        )
        for i in range(len(HOSTILE))
    )
    findings = tuple(
        Finding(
            code="BZ102",
            title=text,
            severity=Severity.MEDIUM,
            certainty=Certainty.SUSPICIOUS,
            subject=text,
            summary=text,
            remedy=text,
            evidence=(Evidence(name=text, value=0.5, unit=text, note=text),),
            exhibits=exhibits[:3],
            references={text: (text,)},
        )
        for text in HOSTILE
    )
    base = image_report()
    return dataclasses.replace(
        base,
        dataset=dataclasses.replace(base.dataset, name=HOSTILE[0], classes=HOSTILE[:10], columns=HOSTILE),
        checks=tuple(Check(name=text, status=status, detail=text) for text in HOSTILE for status in Status),
        findings=findings,
        run=run(
            command=name(0),
            arguments={text: text for text in HOSTILE},
            notes=HOSTILE,
            started=HOSTILE[1],
            versions={text: text for text in HOSTILE},
            digests={text: text for text in HOSTILE},
        ),
        sources=tuple(
            dataclasses.replace(base.sources[0], source=text, blamed=i < 2) for i, text in enumerate(HOSTILE)
        ),
        power=tuple(dataclasses.replace(POWER[0], kind=text) for text in HOSTILE),
        exhibits=exhibits,
        unread=tuple(UnreadRow(where=text, why=text) for text in HOSTILE),
    )


REPORTS = {
    "image": image_report,
    "table": table_report,
    "clean": clean_report,
    "clean_without_controls": lambda: clean_report(controls=False),
    "failed": failed_report,
    "hostile": hostile_report,
}
