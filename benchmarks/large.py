"""Large sets: how fast small pictures are read, how much memory an audit takes, how its time grows with the rows."""

import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import sets
from bezoar.core.data import Dataset
from bezoar.data import write
from bezoar.data.writing import png
from bezoar.report import document

BATCH = 50_000
"""Rows that are written at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A parquet of encoded pictures, in a fresh process: read, hash, count rows that are equal to one before them.

    Parameters
    ----------
    data : set whose images are drawn from, each marked in four pixels so that all differ but one in twenty.
    rows : how many.
    """

    data: str
    rows: int

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Rows a second, by the clock and by the processor time of all processes, and peak memory."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "pictures.parquet"
            self._write(file, np.random.default_rng(seed))
            figures = _alone("reading", str(file))
        if figures["copies"] != self.rows // 20:
            raise ValueError(f"{figures['copies']} copies were found of {self.rows // 20}.")
        return {"figures": figures}

    def _write(self, file: Path, rng: np.random.Generator) -> None:
        data = sets.load(self.data)
        first = int(rng.integers(len(data)))
        with pq.ParquetWriter(file, pa.schema({"image": pa.binary(), "label": pa.string()})) as writer:
            for start in range(0, self.rows, BATCH):
                numbers = np.arange(start, min(start + BATCH, self.rows))
                # The last row of each twenty is the row before it.
                numbers[numbers % 20 == 19] -= 1
                drawn = (numbers * 7_919 + first) % len(data)
                cells = [
                    _marked(data, row, number) for row, number in zip(drawn.tolist(), numbers.tolist(), strict=True)
                ]
                labels = [data.classes[label] for label in data.labels[drawn]]
                writer.write_table(pa.table({"image": pa.array(cells, pa.binary()), "label": labels}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Peak memory of `bezoar audit data` in a fresh process, against twice the uncompressed data and 1 GB.

    Parameters
    ----------
    data : name of the set.
    """

    data: str

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """MiB at the peak, and as a share of what was promised."""
        data = sets.load(self.data)
        run, figures = _audited(data, seed, controls=controls)
        allowed = (2 * data.images.nbytes + 10**9) / 2**20
        return {"run": run, "figures": {**figures, "allowed": figures["peak"] / allowed}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounded:
    """Peak memory of an audit that is given the least memory it accepts, against just that.

    Parameters
    ----------
    data : name of the set whose rows are repeated with other noise.
    rows : how many.
    """

    data: str
    rows: int

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """MiB at the peak, and as a share of what was asked for."""
        data = _grown(sets.load(self.data), self.rows, seed)
        with tempfile.TemporaryDirectory() as folder:
            file = write(data, Path(folder) / "data")
            least = _least_memory(file, Path(folder) / "refused")
        run, figures = _audited(data, seed, controls=controls, options=("--memory", str(least)))
        return {"run": run, "figures": {**figures, "allowed": figures["peak"] * 2**20 / least}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How many times as long an audit takes for ten times the rows, which are the set's own, shifted by a few grey levels.

    Parameters
    ----------
    data : name of the set.
    rows : of the small audit.
    """

    data: str
    rows: int

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Seconds of both audits by stage, and their ratio by the clock and by processor time."""
        small, large = (
            _audited(_grown(sets.load(self.data), rows, seed), seed, controls=controls)
            for rows in (self.rows, 10 * self.rows)
        )
        both = {
            f"{name}_{size}": value
            for size, (_, found) in (("small", small), ("large", large))
            for name, value in found.items()
        }
        ratios = {name: large[1][name] / small[1][name] for name in ("seconds", "cpu_seconds")}
        return {"run": large[0], "figures": {**both, "growth": ratios["seconds"], "cpu_growth": ratios["cpu_seconds"]}}


def _marked(data: Dataset, row: int, number: int) -> bytes:
    image = data.images[row].copy()
    image.reshape(-1)[:4] = np.frombuffer(number.to_bytes(4, "little"), np.uint8)
    return png(image)


def _grown(data: Dataset, rows: int, seed: int) -> Dataset:
    """Rows drawn one after another from the whole set, each time round with other noise."""
    rng = np.random.default_rng(seed)
    drawn = np.resize(rng.permutation(len(data)), rows)
    images = data.images[drawn]
    for start in range(0, rows, BATCH):
        some = images[start : start + BATCH]
        some[...] = np.clip(some.astype(np.int16) + rng.integers(-6, 7, some.shape), 0, 255)
    return Dataset(
        inputs=images,
        labels=data.labels[drawn],
        classes=data.classes,
        ids=np.arange(rows).astype(np.str_),
        name=data.name,
    )


def _least_memory(file: Path, out: Path) -> int:
    """Bytes that the refusal of too little memory names."""
    from bezoar.cli.main import run

    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        run(["audit", "data", str(file), "--out", str(out), "--memory", "500MB", "--quiet", "--format", "json"])
    told = re.search(r"at least ([0-9,]+) MB", said.getvalue())
    if told is None:
        raise RuntimeError(f"no refusal but {said.getvalue()!r}")
    return int(told[1].replace(",", "")) * 10**6


def _audited(
    data: Dataset, seed: int, *, controls: bool, options: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, float]]:
    """The run record of an audit in a process of its own, and what that process took."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = write(data, Path(folder) / "data"), Path(folder) / "report"
        asked = ("--controls" if controls else "--no-controls", *options)
        figures = _alone("audit", str(file), str(out), str(seed), *asked)
        return json.loads(document.dump(document.load(out)))["run"], figures


def _alone(*arguments: str) -> dict[str, float]:
    """What a fresh process of this module says."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.large", *arguments], capture_output=True, text=True, check=True
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _took(started: float) -> dict[str, float]:
    own, workers = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": own.ru_utime + own.ru_stime + workers.ru_utime + workers.ru_stime,
        "peak": _peak_bytes() / 2**20,
    }


def _peak_bytes() -> int:
    """The most memory that this process has held. What `getrusage` tells of Linux begins with the peak of its parent."""
    status = Path("/proc/self/status")
    held = re.search(r"VmHWM:\s*([0-9]+) kB", status.read_text()) if status.exists() else None
    return int(held[1]) * 1024 if held else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _read(file: str) -> dict[str, float]:
    from bezoar.data import read
    from bezoar.data.spool import Means
    from bezoar.engine.shards import spreading

    started = time.perf_counter()
    with spreading() as spread:
        data = read(file, means=Means(spread=spread))
        copies = len(data) - len(set(data.input_hashes))
    took = _took(started)
    return {**took, "copies": copies, "rows_a_second": len(data) / took["seconds"]}


def _audit(file: str, out: str, seed: str, *asked: str) -> dict[str, float]:
    from bezoar.cli.main import run

    started = time.perf_counter()
    status = run(["audit", "data", file, "--out", out, "--seed", seed, *asked, "--quiet", "--format", "json"])
    if status not in (0, 1):
        raise RuntimeError(f"the audit ended in status {status}")
    return _took(started)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    told = _read(*sys.argv[2:]) if sys.argv[1] == "reading" else _audit(*sys.argv[2:])
    print(json.dumps(told))
