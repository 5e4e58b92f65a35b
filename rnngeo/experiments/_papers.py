"""The papers whose claims are kept, and the function that checks them."""

from collections.abc import Sequence
from pathlib import Path

from rnngeo._progress import Progress, silent

from . import feedback_networks, information_flux, random_modes
from ._study import Reproduction, run_experiments

PAPERS = {
    "feedback-networks": feedback_networks.EXPERIMENTS,
    "random-modes": random_modes.EXPERIMENTS,
    "information-flux": information_flux.EXPERIMENTS,
}
_DOUBLE_ONLY = "information-flux"


def reproduce(
    paper: str,
    experiments: Sequence[str] | None = None,
    *,
    precision: str = "float64",
    device: str | None = None,
    progress: Progress = silent,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Reproduction:
    """What a paper and its theory claim, and whether it holds: `rnngeo reproduce`.

    Every claim is a number with its source beside the number found here, and holds within a stated
    tolerance. Few of the expected numbers are printed in the papers; the others come from programs
    written independently of this one, or are derived; each says which.

    Args:
        paper: "feedback-networks", "random-modes" or "information-flux".
        experiments: Names, such as "E1" or "PRX4"; default all.
        precision: "float32" or "float64"; theory is then compared to the digits it can have.
            Float32 is refused for "information-flux": exact fluxes need float64.
        device: Name of a device; default JAX's.
        progress: Called along the way; the stage begins with the name of the experiment.
        seed: Seed of the networks and starts; each experiment has a key of its own, so that it does
            not matter which others are run.
        folder: Where each experiment leaves its data and claims (`E1.nc`) as it ends, to be taken
            up again by a later run of the same parameters. Default: nowhere.

    Returns:
        `Reproduction`.

    Raises:
        ValueError: An unknown paper or experiment, or a bad argument, such as a precision that the
            paper's numbers cannot be had in; the message names it.

    Cost: some minutes on two CPU cores for all experiments of a paper, seconds for those of theory.

    Reference: Mastrogiuseppe & Ostojic, Neural Comput. 31, 1139 (2019); Clark, Abbott &
    Litwin-Kumar, Phys. Rev. Lett. 131, 118401 (2023); Clark, Marschall, van Meegen & Litwin-Kumar,
    Phys. Rev. X 15, 041019 (2025); Metzner et al., Neural Comput. 36, 351 (2024).
    """
    if paper not in PAPERS:
        raise ValueError(f"`paper` must be one of {', '.join(PAPERS)}, got {paper!r}.")
    chosen = PAPERS[paper]
    known = [experiment.name for experiment in chosen]
    for name in experiments or ():
        if name not in known:
            raise ValueError(f"`experiments` must be some of {', '.join(known)}, got {name!r}.")
    if paper == _DOUBLE_ONLY and precision == "float32":
        raise ValueError(
            f"`precision` must be float64 for {paper}, got float32: strong weights lose their "
            "stationary law there."
        )
    return run_experiments(
        [e for e in chosen if experiments is None or e.name in experiments],
        precision=precision,
        device=device,
        progress=progress,
        seed=seed,
        folder=folder,
    )
