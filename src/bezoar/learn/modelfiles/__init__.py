"""Model files without running them: what is in them is judged, and weights are read, by parsing alone."""

from bezoar.learn.modelfiles.scanning import scan
from bezoar.learn.modelfiles.tensors import read_tensors
from bezoar.learn.modelfiles.verdict import Reason, Scan, Verdict, worst

__all__ = ["Reason", "Scan", "Verdict", "read_tensors", "scan", "worst"]
