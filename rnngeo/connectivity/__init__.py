"""Draw the couplings: every connectivity is a `lineax` operator."""

from ._gaussian import gaussian_bulk as gaussian_bulk
from ._low_rank import low_rank as low_rank
from ._operators import as_operator as as_operator
from ._vectors import FeedbackVectors as FeedbackVectors
from ._vectors import draw_vectors as draw_vectors

__all__ = ["FeedbackVectors", "as_operator", "draw_vectors", "gaussian_bulk", "low_rank"]
