"""What a stability report is asked."""

import dataclasses
import enum
import math


class TrainingMethod(enum.StrEnum):
    """How the readout is chosen."""

    LEAST_SQUARES = "least-squares"
    RECURSIVE = "recursive"
    GRADIENT_OPEN = "gradient-open"
    GRADIENT_CLOSED = "gradient-closed"
    GEOMETRY = "geometry"


@dataclasses.dataclass(frozen=True)
class StabilityParameters:
    """Networks to draw and train, and starts to sweep.

    Attributes:
        n_units: N.
        gain: g, radius of the random bulk.
        feedback_std: s_m.
        input_std: s_I.
        shared_weight: rho; feedback and input vectors correlate as rho^2.
        target: A, the wanted output.
        training: How the readout is chosen.
        readout: (p, p_m, p_I) of a readout by geometry; its scale c comes from the theory.
        is_calibrated: Rescale a readout by geometry so that z = A exactly in each network.
        n_networks: Networks to draw.
        n_starts: Starts to sweep in each network.
        seed: Everything random follows from it.
    """

    n_units: int = 1000
    gain: float = 0.8
    feedback_std: float = 1.2
    input_std: float = 0.5
    shared_weight: float = 0.5
    target: float = 2.0
    training: TrainingMethod = TrainingMethod.LEAST_SQUARES
    readout: tuple[float, float, float] | None = None
    is_calibrated: bool = False
    n_networks: int = 4
    n_starts: int = 1024
    seed: int = 0

    def __post_init__(self):
        for name in ("n_units", "n_networks", "n_starts"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1, got {getattr(self, name)}.")
        for name in ("gain", "feedback_std", "input_std"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"`{name}` must be a finite number >= 0, got {value}.")
        if not abs(self.shared_weight) <= 1:
            raise ValueError(f"`shared_weight` must lie in [-1, 1], got {self.shared_weight}.")
        if not math.isfinite(self.target):
            raise ValueError(f"`target` must be a finite number, got {self.target}.")
        if self.seed < 0:
            raise ValueError(f"`seed` must be at least 0, got {self.seed}.")
        is_geometry = self.training == TrainingMethod.GEOMETRY
        if is_geometry != (self.readout is not None):
            raise ValueError(
                "`readout` must be given with `training` geometry and only with it, got "
                f"training {self.training} and readout {self.readout}."
            )
        if self.is_calibrated and not is_geometry:
            raise ValueError(
                f"`calibrate` belongs to `training` geometry, got training {self.training}."
            )

    def as_dict(self) -> dict:
        """Plain numbers and strings, as stored with the results."""
        values = {**dataclasses.asdict(self), "training": str(self.training)}
        return {name: value for name, value in values.items() if value is not None}
