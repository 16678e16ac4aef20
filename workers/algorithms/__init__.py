"""Meta-learning algorithms, one per file: what outer gradient does one task give?"""
