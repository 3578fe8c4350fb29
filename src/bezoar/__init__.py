"""Finds poison in machine-learning data and models, and proves it.

>>> import bezoar
>>> report = bezoar.audit_data("breast_cancer", controls=False)
>>> report.rows.num_rows
569
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bezoar.engine.api import audit_data, audit_model

__all__ = ["audit_data", "audit_model"]


def __getattr__(name: str) -> Any:
    # torch and the rest take seconds to import: not before they are needed.
    if name in __all__:
        from bezoar.engine import api

        return getattr(api, name)
    raise AttributeError(f"module 'bezoar' has no attribute {name!r}")
