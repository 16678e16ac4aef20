"""A user's model as a .keras file."""

from dataclasses import dataclass

import keras

from workers.backbone.backbone import Backbone
from workers.export.plain_keras import save_and_load
from workers.meta_parameters import make_train_model, make_whole_model
from workers.models.model import Model
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
    digest = settings.model.digest(make_train_model(settings, family))
    return Portable(content, digest, _modules_of(model))


def backbone_file(settings: Model, input_shape: tuple[int, ...]) -> Portable:
    """Load the backbone, and save it if it is not from a .keras file.

    Args:
      input_shape: of an example.
    Raises:
      ValueError: the backbone cannot be loaded, or Keras cannot load what it saved.
    """
    backbone = Backbone(settings, input_shape)
    file = backbone.source.file
    content = save_and_load(backbone.model)[1] if file is None else file.read_bytes()
    return Portable(content, backbone.digest, _modules_of(backbone.model))


def _modules_of(model: keras.Model) -> list[str]:
    modules = {type(layer).__module__ for layer in model._flatten_layers()}
    return sorted(name for name in modules if name.partition(".")[0] != "keras")
