"""Floor 2: reads and writes data sets; built-in real ones; manifests."""

from bezoar.data.options import Limits, Roles
from bezoar.data.reading import read
from bezoar.data.writing import write

__all__ = ["Limits", "Roles", "read", "write"]
