"""A family's tasks with stored features in place of images or texts."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from workers.backbone.backbone import Backbone
from workers.backbone.feature_store import KEY, FeatureStore, check_room, open_store
from workers.models.model import Model
from workers.settings.images_task import DEFAULT_CACHE
from workers.settings.task import AnyTask, Progress
from workers.tasks.cached_batch import canonical
from workers.tasks.images.cache_folder import cache_file
from workers.tasks.stored import StoredFamily, with_inputs
from workers.wire.protocol import Episode, Specs, Split

#: Changes with what is in a file of features.
_FORMAT = 1
# Examples that are computed in one call; no feature depends on it.
_TOGETHER = 64


class StoredFeatures:
    """The tasks of `raw`, with the features of their examples as inputs, float32 [features].

    All that it does not define is that of `raw`.

    raw: the family of images or texts.
    digests: of the backbone, and of the features, which another machine may compute otherwise.
    """

    num_tokens = None

    def __init__(self, raw: StoredFamily, settings: AnyTask, model: Model, progress: Progress):
        """Open the store of the features, which are computed first if it lacks them.

        Args:
          settings: of the tasks.
          progress: called with (examples done, examples) while features are computed.
        Raises:
          ValueError: the backbone cannot be loaded, or does not fit the examples.
          DataError: features are not finite, or cannot be written.
        """
        self.raw = raw
        backbone = Backbone(model, raw.input_shape, raw.shape_keys)
        self._store = _open(raw, backbone, _folder(settings, model), progress)
        rows = raw.stored_rows
        self._places = np.full(int(rows[-1]) + 1, -1, np.int64)
        self._places[rows] = np.arange(len(rows))
        self._name = model.backbone
        self.digests = {"backbone": backbone.digest, "features": self._store.digest}
        self.input_shape: tuple[int, ...] = self._store.features.shape[1:]

    def __getattr__(self, name: str) -> Any:
        if name == "raw":  # while it is unpickled or copied
            raise AttributeError(name)
        return getattr(self.raw, name)

    @property
    def preparation(self) -> dict[str, Any]:
        """Those of `raw`; and `strings` if a user's texts are not to be encoded."""
        return {**self.raw.preparation, **self._store.facts}

    def build(self, specs: Specs, *, global_labels: bool = False) -> Episode:
        """Make features float32 [tasks, examples, features], and the targets of `raw`."""
        rows = self.raw.build_rows(specs, global_labels=global_labels)
        return with_inputs(rows, lambda each: self._store.features[self._places[each]])

    def protocol(self, split: Split) -> dict[str, Any]:
        """Add the backbone to the facts of `raw`."""
        return {
            **self.raw.protocol(split),
            "backbone": Path(str(self._name)).name,
            "backbone_digest": self.digests["backbone"],
            "features": self.input_shape[0],
        }


def _folder(settings: AnyTask, model: Model) -> str:
    if model.backbone_cache is not None:
        return model.backbone_cache
    return str(getattr(settings, "cache", DEFAULT_CACHE))


def _open(raw: StoredFamily, backbone: Backbone, folder: str, progress: Progress) -> FeatureStore:
    key = {
        "format": _FORMAT,
        "tensorflow": version("tensorflow"),
        "keras": version("keras"),
        "backbone": backbone.digest,
        "content": raw.content_digest,
        "rows": hashlib.sha256(raw.stored_rows.tobytes()).hexdigest(),
    }
    name = f"features-{hashlib.sha256(canonical(key)).hexdigest()[:32]}.arrow"
    file = cache_file(folder, name, KEY)

    def compute() -> tuple[Any, dict[str, Any]]:
        check_room(file, 4 * len(raw.stored_rows) * backbone.num_features)
        return _compute(raw, backbone, progress)

    return open_store(file, compute)


def _compute(
    raw: StoredFamily, backbone: Backbone, progress: Progress
) -> tuple[Any, dict[str, Any]]:
    """Compute the features of all stored rows; return them, and what the preparation adds."""
    from workers.backbone.checks import check_finite, check_same

    inputs_of = _inputs_of(raw, backbone)
    rows = raw.stored_rows
    features = np.empty((len(rows), backbone.num_features), np.float32)
    progress(0, len(rows))
    for lo in range(0, len(rows), _TOGETHER):
        part = rows[lo : lo + _TOGETHER]
        computed = backbone.features(inputs_of(part))
        if lo == 0:
            check_same(backbone.source, computed, backbone.features(inputs_of(part)))
        check_finite(backbone.source, computed, [raw.row_name(int(row)) for row in part])
        features[lo : lo + len(part)] = computed
        progress(lo + len(part), len(rows))
    return features, {"strings": True} if backbone.takes_strings else {}


def _inputs_of(raw: StoredFamily, backbone: Backbone) -> Any:
    """Return what makes the backbone's inputs of rows. Raises ValueError if nothing does."""
    if not backbone.takes_strings:
        return raw.inputs_of
    if not hasattr(raw, "strings_of"):
        raise ValueError(
            f"{backbone.source} takes strings, but the tasks have examples of shape "
            f"{raw.input_shape}; give a backbone that takes these"
        )
    return raw.strings_of
