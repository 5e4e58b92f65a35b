"""The progress callback: long work calls it, `cli/` draws the bars.

A callback takes the name of the stage, how much of it is done and how much there is.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Say nothing: the default of every function that reports progress."""
