"""Export of adapted weights: .keras files, and sampled texts."""
