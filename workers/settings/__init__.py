"""What an actor must know of the configuration."""
