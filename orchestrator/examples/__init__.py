"""What a user hands over to be adapted to: read, checked, and made a task."""
