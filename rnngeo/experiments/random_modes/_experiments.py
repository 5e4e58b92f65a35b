"""The experiments in order, named by the figure they repeat; "networks" gathers simulations."""

from .._study import Experiment
from ._components import draw_prx9, draw_prx10, run_prx9, run_prx10
from ._connectome import draw_prx1, run_prx1
from ._duality import draw_prx3, run_prx3
from ._gains import draw_prx5, run_prx5
from ._independent import draw_prl2, draw_prl3, run_prl2, run_prl3
from ._networks import draw_networks, run_networks
from ._outliers import draw_prx6, run_prx6
from ._overlaps import draw_prl6, draw_prx7, run_prl6, run_prx7
from ._ranks import draw_prx4, run_prx4
from ._singular_values import draw_prx8, run_prx8
from ._timescales import draw_prl4, run_prl4

EXPERIMENTS = (
    Experiment("PRL2", "Dimension of activity against the gain", run_prl2, draw_prl2),
    Experiment("PRL3", "Covariances between neurons outlast a neuron", run_prl3, draw_prl3),
    Experiment("PRL4", "Leading components slow down with the size", run_prl4, draw_prl4),
    Experiment("PRL6", "Dimension of activity against symmetry", run_prl6, draw_prl6),
    Experiment(
        "PRX1",
        "Effective rank of a matrix; synthetic, the connectome is not included",
        run_prx1,
        draw_prx1,
    ),
    Experiment("PRX3", "One run, two covariances, one dimension", run_prx3, draw_prx3),
    Experiment("PRX4", "Dimension of activity against the effective rank", run_prx4, draw_prx4),
    Experiment("PRX5", "Dimension under gains of single neurons", run_prx5, draw_prx5),
    Experiment("PRX6", "Overlaps of modes and outlying eigenvalues", run_prx6, draw_prx6),
    Experiment("PRX7", "Dimension of activity against overlaps", run_prx7, draw_prx7),
    Experiment("PRX8", "Singular values of random-mode couplings", run_prx8, draw_prx8),
    Experiment("PRX9", "Principal components in time", run_prx9, draw_prx9),
    Experiment("PRX10", "Dimension of activity at small ranks", run_prx10, draw_prx10),
    Experiment("networks", "Networks against the mean field", run_networks, draw_networks),
)
