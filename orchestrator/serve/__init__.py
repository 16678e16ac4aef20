"""A trained run as a service: who asks, with which examples, gets which predictions."""
