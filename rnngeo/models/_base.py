"""What a network must answer: a flow its velocity, a map its next state."""

import abc

import equinox as eqx

from rnngeo._types import State, Time


class AbstractNetwork(eqx.Module):
    """One recurrent network, of either kind."""

    n_units: eqx.AbstractVar[int]


class AbstractFlow(AbstractNetwork):
    """A network in continuous time. A new one implements `n_units` and `drift`, nothing else."""

    @abc.abstractmethod
    def drift(self, t: Time, x: State, u: State) -> State:
        """Right-hand side F(t, x, u) of dx/dt = F."""


class AbstractMap(AbstractNetwork):
    """A network in discrete time. A new one implements `n_units` and `update`, nothing else."""

    @abc.abstractmethod
    def update(self, t: Time, x: State, u: State) -> State:
        """Next state F(t, x, u)."""
