"""How activity lies in state space: covariances, dimension, principal components."""

from ._components import EigenmodeVariances as EigenmodeVariances
from ._components import PrincipalComponents as PrincipalComponents
from ._components import component_autocovariances as component_autocovariances
from ._components import decay_time as decay_time
from ._components import eigenmode_variances as eigenmode_variances
from ._components import principal_components as principal_components
from ._covariance import BlockProducts as BlockProducts
from ._covariance import Covariances as Covariances
from ._covariance import block_products as block_products
from ._covariance import block_products_by_duality as block_products_by_duality
from ._covariance import covariances as covariances
from ._dimension import Estimate as Estimate
from ._dimension import corrected_participation_ratio as corrected_participation_ratio
from ._dimension import cross_participation_ratio as cross_participation_ratio
from ._dimension import entropy_dimension as entropy_dimension
from ._dimension import harmonic_mean as harmonic_mean
from ._dimension import independent_samples as independent_samples
from ._dimension import naive_participation_ratio as naive_participation_ratio
from ._dimension import participation_ratio as participation_ratio
from ._four_point import autocovariance as autocovariance
from ._four_point import four_point_function as four_point_function
from ._linear_equivalence import linear_equivalent_covariance as linear_equivalent_covariance
from ._linear_equivalence import linear_equivalent_currents as linear_equivalent_currents
from ._linear_equivalence import linear_equivalent_four_point as linear_equivalent_four_point
from ._streaming import ActivityCovariances as ActivityCovariances
from ._streaming import accumulate_covariances as accumulate_covariances

__all__ = [
    "ActivityCovariances",
    "BlockProducts",
    "Covariances",
    "EigenmodeVariances",
    "Estimate",
    "PrincipalComponents",
    "accumulate_covariances",
    "autocovariance",
    "block_products",
    "block_products_by_duality",
    "component_autocovariances",
    "corrected_participation_ratio",
    "covariances",
    "cross_participation_ratio",
    "decay_time",
    "eigenmode_variances",
    "entropy_dimension",
    "four_point_function",
    "harmonic_mean",
    "independent_samples",
    "linear_equivalent_covariance",
    "linear_equivalent_currents",
    "linear_equivalent_four_point",
    "naive_participation_ratio",
    "participation_ratio",
    "principal_components",
]
