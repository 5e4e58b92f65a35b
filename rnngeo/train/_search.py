"""What a search for the largest flux keeps, so that a killed one goes on."""

import time
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Array

from rnngeo.files import load_checkpoint, save_checkpoint

from ._evolution import Population

_CHECKPOINT_SECONDS = 20.0


class Search(NamedTuple):
    """What a killed search goes on from."""

    population: Population
    history: Array  # (restart, generation, objective)
    climbed: Array  # (start of the ascent, unit, unit)
    n_climbed: Array


class Keeper:
    """Saves the search now and then, and at the end of each of its parts."""

    def __init__(self, path: str | Path | None, stamp: dict):
        self.path, self.stamp, self.saved = path, stamp, time.monotonic()

    def restore(self, fresh: Search) -> Search:
        found = None if self.path is None else load_checkpoint(self.path, fresh, self.stamp)
        return fresh if found is None else found

    def keep(self, search: Search, is_end: bool) -> None:
        is_due = is_end or time.monotonic() - self.saved > _CHECKPOINT_SECONDS
        if self.path is not None and is_due:
            save_checkpoint(self.path, search, self.stamp)
            self.saved = time.monotonic()
