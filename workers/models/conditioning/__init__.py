"""Context parameters: what a model has in addition for an algorithm that adapts them alone."""
