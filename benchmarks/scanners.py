"""Scanners of model files side by side: what each catches of hostile files, and what it makes of honest ones."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import peers, programs
from benchmarks.model_corpus.containers import CONTAINERS
from benchmarks.model_corpus.honest import HONEST
from benchmarks.model_corpus.making import Maker
from benchmarks.model_corpus.pickles import PICKLES
from bezoar.core.errors import ContractError, OutputError
from bezoar.learn.modelfiles import Verdict, scan, worst

PEERS = ("picklescan", "modelscan", "fickling", "modelaudit")
_STATUS = {Verdict.SAFE: 0, Verdict.UNSAFE: 1, Verdict.NOT_ANALYSED: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanners:
    """Each scanner on every file of the corpus, by the status that a gate would see: 0 passes, all else does not."""

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Shares for each scanner, and which hostile files passed it."""
        hostile = {name: (case.file, case.make) for name, case in (PICKLES | CONTAINERS).items()}
        honest = {name: (case.file, case.make) for name, case in HONEST.items()}
        figures: dict[str, float] = {"hostile": len(hostile), "honest": len(honest)}
        passed: dict[str, list[str]] = {}
        versions: dict[str, str] = {}
        with tempfile.TemporaryDirectory() as folder:
            bad, good = Path(folder, "hostile"), Path(folder, "honest")
            _write(bad, hostile)
            _write(good, honest)
            for peer in ("bezoar", *PEERS):
                if peer == "bezoar":
                    answers = [_own(bad), _own(good)]
                else:
                    told = [peers.ask(peer, "scanner_verdicts", place, peer) for place in (bad, good)]
                    answers, versions[peer] = [answer["statuses"] for answer in told], told[0]["version"]
                figures |= _figures("" if peer == "bezoar" else f"{peer}_", *answers)
                passed[peer] = sorted(name for name, status in answers[0].items() if status == 0)
        return {"run": programs.record(), "peers": versions, "figures": figures, "passed": passed}


def _figures(prefix: str, hostile: dict[str, int], honest: dict[str, int]) -> dict[str, float]:
    return {
        f"{prefix}flagged": sum(status == 1 for status in hostile.values()) / len(hostile),
        f"{prefix}passed": sum(status == 0 for status in hostile.values()) / len(hostile),
        f"{prefix}false_alarms": sum(status == 1 for status in honest.values()) / len(honest),
        f"{prefix}refused": sum(status == 2 for status in honest.values()) / len(honest),
    }


def _own(folder: Path) -> dict[str, int]:
    found = {}
    for case in sorted(folder.iterdir()):
        (path,) = case.iterdir()
        found[case.name] = _STATUS[worst(scan(path))]
    return found


def _write(folder: Path, cases: dict[str, tuple[str, Maker]]) -> None:
    """Every case in a folder of its own, alone: scanners get the file by its name."""
    for name, (file, make) in cases.items():
        path = folder / name / file
        (path if file.endswith("/") else path.parent).mkdir(parents=True)
        make(path)
        if len(list((folder / name).iterdir())) != 1:
            # A link beside the file: the folder is the case.
            inner = folder / name / "model"
            inner.mkdir()
            for entry in [entry for entry in (folder / name).iterdir() if entry != inner]:
                entry.rename(inner / entry.name)
        if not path.exists() and not (folder / name / "model").exists():
            raise OutputError(f"{name}: was not written.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanningSpeed:
    """Files of a gigabyte in which nothing has to be unpacked, from opening to the verdict, digest included.

    Parameters
    ----------
    megabytes : of numbers in each.
    repeats : the fastest counts; the first may read from the disk.
    """

    megabytes: int = 1024
    repeats: int = 3

    def measure(self, seed: int, *, controls: bool) -> dict[str, Any]:
        """Megabytes (10^6 bytes) a second by format."""
        rng = np.random.default_rng((seed, 2))
        arrays = {f"layer{n}": rng.random((1024, 2048), np.float32) for n in range(self.megabytes // 8)}
        speeds = {}
        with tempfile.TemporaryDirectory() as folder:
            for kind, (file, save) in _LARGE.items():
                path = Path(folder, file)
                save(arrays, path)
                speeds[kind] = max(self._speed(path) for _ in range(self.repeats))
                path.unlink()
        return {"run": programs.record(), "figures": speeds | {"slowest": min(speeds.values())}}

    def _speed(self, path: Path) -> float:
        start = time.perf_counter()
        verdict = worst(scan(path))
        seconds = time.perf_counter() - start
        if verdict is not Verdict.SAFE:
            raise ContractError(f"{path.name} is {verdict}.")
        return path.stat().st_size / 1e6 / seconds


def _torch(arrays: dict[str, Any], path: Path, *, zipped: bool) -> None:
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)


def _safetensors(arrays: dict[str, Any], path: Path) -> None:
    from safetensors.numpy import save_file

    save_file(arrays, path)


def _joblib(arrays: dict[str, Any], path: Path) -> None:
    import joblib

    joblib.dump(arrays, path)


def _npz(arrays: dict[str, Any], path: Path) -> None:
    np.savez(path, **arrays)


_LARGE: dict[str, tuple[str, Callable[[dict[str, Any], Path], None]]] = {
    "torch_zip": ("model.pt", partial(_torch, zipped=True)),
    "torch_legacy": ("model.pth", partial(_torch, zipped=False)),
    "safetensors": ("model.safetensors", _safetensors),
    "joblib": ("model.joblib", _joblib),
    "npz": ("model.npz", _npz),
}
