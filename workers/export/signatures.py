"""The names of an exported run's functions, in every format."""

ADAPT, PREDICT = "adapt", "predict"
#: Of a LiteRT file, for `metatrain adapt`.
ADAPT_BY_STEP, SCORE = "adapt_by_step", "score"
