"""Bodies of requests: JSON, Arrow or files, all of which become `Examples`."""
