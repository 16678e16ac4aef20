"""The files that a run writes about itself."""
