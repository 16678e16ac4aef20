"""One machine: given theta and a block of tasks, what update? Never imports `orchestrator`."""
