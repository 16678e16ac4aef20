"""How sure one may be of a prediction: sets, intervals, and tasks unlike those of the run."""
