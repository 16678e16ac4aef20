"""Networks of single papers, beside those that the whole field uses."""
