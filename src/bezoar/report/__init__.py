"""Floor 5: reports. Every format is a pure function of a :class:`~bezoar.core.report.Report`."""

from bezoar.report.writing import FILES, require_formats, write

__all__ = ["FILES", "require_formats", "write"]
