"""Classification of images, and the files that hold images."""
