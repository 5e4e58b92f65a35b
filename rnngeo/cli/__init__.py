"""What a person types: parsing and printing, nothing else."""

from ._main import entry_point as entry_point
from ._main import main as main

__all__ = ["entry_point", "main"]
