"""Settings of task families of environments that a policy acts in."""
