"""JSON without NaN or Infinity."""

import json
import math
from typing import Any

import numpy as np


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value


def to_json(value: Any) -> str:
    """Full-digit JSON text; complex numbers as [re, im], what is not finite as null.

    Args:
        value: Dictionaries, lists, numbers, strings and arrays, nested.

    Returns:
        The text, ending in a newline.
    """
    return json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"
