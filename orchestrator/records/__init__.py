"""The records of a run: the files that it writes about itself."""
