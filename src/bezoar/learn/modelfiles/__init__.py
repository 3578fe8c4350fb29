"""Model files without running them: what is in them is judged, and weights are read, by parsing alone."""

from typing import TYPE_CHECKING, Any

from bezoar.learn.modelfiles.scanning import scan
from bezoar.learn.modelfiles.verdict import Reason, Scan, Verdict, worst

if TYPE_CHECKING:
    from bezoar.learn.modelfiles.tensors import read_tensors

__all__ = ["Reason", "Scan", "Verdict", "read_tensors", "scan", "worst"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and a scan needs none of it.
    if name == "read_tensors":
        from bezoar.learn.modelfiles.tensors import read_tensors

        return read_tensors
    raise AttributeError(f"module 'bezoar.learn.modelfiles' has no attribute {name!r}")
