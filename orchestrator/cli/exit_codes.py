"""The exit codes of the command line."""

#: The run failed; the input was wrong; stopped by a signal, as EX_TEMPFAIL of sysexits.h.
EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED = 1, 2, 75
