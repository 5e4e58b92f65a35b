"""Draw the couplings, or balance measured ones: every connectivity is a `lineax` operator."""

from ._balance import BalancedWeights as BalancedWeights
from ._balance import balance_signed as balance_signed
from ._gaussian import gaussian_bulk as gaussian_bulk
from ._low_rank import low_rank as low_rank
from ._operators import as_operator as as_operator
from ._random_modes import random_modes as random_modes
from ._random_modes import with_gains as with_gains
from ._rooks import conference_weights as conference_weights
from ._rooks import long_cycle as long_cycle
from ._rooks import rooks as rooks
from ._rotational import orthogonal_bulk as orthogonal_bulk
from ._rotational import partially_symmetric_bulk as partially_symmetric_bulk
from ._rotational import rotational_bulk as rotational_bulk
from ._signed import Magnitude as Magnitude
from ._signed import signed_ensemble as signed_ensemble
from ._spectra import effective_gain as effective_gain
from ._spectra import effective_rank as effective_rank
from ._spectra import inverse_effective_rank as inverse_effective_rank
from ._spectra import participation_ratio as participation_ratio
from ._spectra import singular_value_density as singular_value_density
from ._spectra import singular_value_edges as singular_value_edges
from ._spectra import singular_value_ratio as singular_value_ratio
from ._spectra import singular_value_ratio_from_rank as singular_value_ratio_from_rank
from ._spectra import strength_participation_ratio as strength_participation_ratio
from ._strengths import exponential_strengths as exponential_strengths
from ._strengths import power_law_strengths as power_law_strengths
from ._strengths import scaled_strengths as scaled_strengths
from ._strengths import step_strengths as step_strengths
from ._strengths import two_level_strengths as two_level_strengths
from ._vectors import FeedbackVectors as FeedbackVectors
from ._vectors import draw_vectors as draw_vectors

__all__ = [
    "BalancedWeights",
    "FeedbackVectors",
    "Magnitude",
    "as_operator",
    "balance_signed",
    "conference_weights",
    "draw_vectors",
    "effective_gain",
    "effective_rank",
    "exponential_strengths",
    "gaussian_bulk",
    "inverse_effective_rank",
    "long_cycle",
    "low_rank",
    "orthogonal_bulk",
    "partially_symmetric_bulk",
    "participation_ratio",
    "power_law_strengths",
    "random_modes",
    "rooks",
    "rotational_bulk",
    "scaled_strengths",
    "signed_ensemble",
    "singular_value_density",
    "singular_value_edges",
    "singular_value_ratio",
    "singular_value_ratio_from_rank",
    "step_strengths",
    "strength_participation_ratio",
    "two_level_strengths",
    "with_gains",
]
