"""Advice to leave out small classes or tasks."""


def or_left_out(left: int, least: int, setting: str, what: str = "classes") -> str:
    """Word the advice; "" if fewer than `least` would be left for the splits."""
    return f", or leave such {what} out: {setting}=leave_out" if left >= least else ""
