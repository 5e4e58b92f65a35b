"""The experiments in order, and the function that runs them."""

from collections.abc import Sequence
from pathlib import Path

from rnngeo._progress import Progress, silent

from .._study import Experiment, Reproduction, choose, run_experiments
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


def reproduce_random_modes(
    experiments: Sequence[str] | None = None,
    *,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Reproduction:
    """What the two papers on the dimension of activity claim, and whether it holds.

    Every claim is a number with its source beside the number found here, and holds within a stated
    tolerance. Plateaus and singular values are published; the other expected numbers come from
    programs written independently of this one, or are derived. Experiments are named by the figure
    they repeat, "networks" gathers simulations of several ensembles.

    Args:
        experiments: Names, such as "PRX4"; default all.
        precision: "float32" or "float64"; theory is then compared to the digits it can have.
        device: Name of a device; default JAX's.
        progress: Called along the way; the stage begins with the name of the experiment.
        seed: Seed of the networks and starts.
        folder: Where each experiment leaves its data and claims (`PRX4.nc`) as it ends, to be taken
            up again by a later run of the same parameters. Default: nowhere.

    Returns:
        `Reproduction`.

    Raises:
        ValueError: An unknown experiment, or a bad argument; the message names it.

    Cost: closed theory a minute, all some ten minutes on two CPU cores, "networks" the most.

    Reference: Clark, Abbott & Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023); Clark, Marschall,
    van Meegen & Litwin-Kumar, Phys. Rev. X 15, 041019 (2025).
    """
    return run_experiments(
        choose(EXPERIMENTS, experiments),
        precision=precision,
        device=device,
        progress=progress,
        seed=seed,
        folder=folder,
    )
