"""Frozen backbones, whose features of stored examples are computed once."""
