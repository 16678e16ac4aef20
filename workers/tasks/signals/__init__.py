"""Tasks of signals and series, and the files that hold them."""
