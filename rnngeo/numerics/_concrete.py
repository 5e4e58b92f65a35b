"""Whether Python may look at numbers."""

from jax.core import Tracer


def is_concrete(*values) -> bool:
    """Whether no value is traced, so that all can be compared and named in an error."""
    return not any(isinstance(value, Tracer) for value in values)
