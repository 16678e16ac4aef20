"""Models of a user's own that take a series and the number of a site."""

import keras


def by_name(num_outputs, input_shape):
    """A functional model, whose inputs are named as the tasks' dicts are."""
    series = keras.Input(input_shape["series"], name="series")
    site = keras.Input(input_shape["site"], name="site")
    seen = keras.layers.Conv1D(4, 3, activation="tanh")(series)
    known = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(site))
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(seen), known])
    return keras.Model(
        {"series": series, "site": site}, keras.layers.Dense(num_outputs, name="head")(joined)
    )


def other_names(num_outputs):
    """Inputs that the tasks do not have."""
    series, place = keras.Input((6, 1), name="series"), keras.Input((1,), name="place")
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(series), place])
    return keras.Model([series, place], keras.layers.Dense(num_outputs)(joined))
