"""A user's model as a .keras file."""

from dataclasses import dataclass

from workers.export.plain_keras import save_and_load
from workers.meta_parameters import make_train_model, make_whole_model
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily


@dataclass(frozen=True, slots=True)
class Portable:
    """A model in a .keras file.

    content: of the file.
    digest: of the source.
    modules: that its layers need beside Keras.
    """

    content: bytes
    digest: str
    modules: list[str]


def as_keras_file(settings: ActorSettings, family: TaskFamily) -> Portable:
    """Build the model in training, and save it.

    Raises:
      ValueError: the model cannot be built, or Keras cannot load what it saved.
    """
    model = make_whole_model(settings, family).keras_model
    _, content = save_and_load(model)
    modules = {type(layer).__module__ for layer in model._flatten_layers()}
    others = sorted(name for name in modules if name.partition(".")[0] != "keras")
    return Portable(content, settings.model.digest(make_train_model(settings, family)), others)
