"""The command `adapt` for examples, environments and texts."""
