"""Numbers and what they count."""


def counted(n: int, noun: str) -> str:
    """The number before its noun, "1 unit" or "2 units"."""
    return f"{n} {noun}" + ("" if n == 1 else "s")
