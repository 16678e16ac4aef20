"""Policies in environments: rollouts, advantages, losses and adaptation."""
