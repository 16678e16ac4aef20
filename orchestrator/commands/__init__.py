"""The commands of the command line, one per file: each consumes what the driver offers."""
