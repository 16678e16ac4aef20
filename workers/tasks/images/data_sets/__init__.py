"""Several data sets of images: their names, their splits, and the classes a task may mix."""
