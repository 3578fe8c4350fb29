"""Floor 5: reports. Every format is a pure function of a :class:`~bezoar.core.report.Report`."""

from bezoar.report.writing import write

__all__ = ["write"]
