"""The registry of models.

A new model is a file in `workers/models/` with a record (see `Model`), and a row here.
"""

from typing import TYPE_CHECKING

from workers.settings.registry import records, union

if TYPE_CHECKING:
    from workers.models.model import Model

_PLACES = {
    "linear": "workers.models.linear:LinearModel",
    "mlp": "workers.models.mlp:MlpModel",
    "conv4": "workers.models.conv4:Conv4Model",
    "r2d2": "workers.models.published.r2d2:R2d2Model",
    "conv1d": "workers.models.conv1d:Conv1dModel",
    "text": "workers.models.text:TextModel",
    "transformer": "workers.models.transformer:TransformerModel",
    "keras": "workers.models.user_model:KerasModel",
    "gaussian_mlp": "workers.models.mlp:GaussianMlpModel",
    "gru": "workers.models.recurrent.gru:GruModel",
    "gaussian_gru": "workers.models.recurrent.gru:GaussianGruModel",
    "categorical_cnn": "workers.models.policies.cnn:CategoricalCnnModel",
    "gaussian_cnn": "workers.models.policies.cnn:GaussianCnnModel",
}

#: kind -> record.
MODELS: dict[str, type["Model"]] = records(_PLACES)

if TYPE_CHECKING:
    ModelSettings = Model
else:
    ModelSettings = union(MODELS)
