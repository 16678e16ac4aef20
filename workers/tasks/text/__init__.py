"""Classification, matching and generation of texts."""
