"""Pictures of tasks before and after adaptation, one kind per file."""
