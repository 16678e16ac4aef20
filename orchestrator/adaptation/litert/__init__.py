"""Files for LiteRT that adapt and predict by its interpreter, without TensorFlow."""
