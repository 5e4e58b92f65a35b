"""What is asked of a network."""

from ._association import StationaryAssociation as StationaryAssociation

__all__ = ["StationaryAssociation"]
