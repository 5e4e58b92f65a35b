"""Geometry and stability of recurrent networks: simulation, analysis and theory that must agree."""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from . import (
        connectivity,
        experiments,
        files,
        geometry,
        information,
        integrate,
        meanfield,
        models,
        numerics,
        plotting,
        reports,
        stability,
        tasks,
        train,
    )

__all__ = [
    "connectivity",
    "experiments",
    "files",
    "geometry",
    "information",
    "integrate",
    "meanfield",
    "models",
    "numerics",
    "plotting",
    "reports",
    "stability",
    "tasks",
    "train",
]


def __getattr__(name: str):
    """Open a room when it is first entered, so that the import itself stays cheap."""
    if name in __all__:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
