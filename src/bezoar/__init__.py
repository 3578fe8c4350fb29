"""Finds poison in machine-learning training sets, and proves it.

>>> import bezoar
>>> report = bezoar.audit_data("breast_cancer", controls=False)
>>> report.rows.num_rows
569
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bezoar.engine.api import audit_data

__all__ = ["audit_data"]


def __getattr__(name: str) -> Any:
    # torch and the rest take seconds to import: not before they are needed.
    if name == "audit_data":
        from bezoar.engine.api import audit_data

        return audit_data
    raise AttributeError(f"module 'bezoar' has no attribute {name!r}")
