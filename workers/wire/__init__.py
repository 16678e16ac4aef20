"""The values that cross between the driver and its actors, and their errors."""
