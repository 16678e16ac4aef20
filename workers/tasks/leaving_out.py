"""When it helps to leave small classes or tasks out."""


def or_left_out(left: int, least: int, setting: str, what: str = "classes") -> str:
    """Advice to do so; "" if fewer than `least` would be left for the splits."""
    return f", or leave such {what} out: {setting}=leave_out" if left >= least else ""
