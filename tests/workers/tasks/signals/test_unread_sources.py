"""What of a source, or of its settings, would not be read is refused."""

import os

import numpy as np
import pytest
from small_signals import class_folders, sines

from workers.settings.signal_task import SignalTask
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.sources import read_signals
from workers.wire.errors import DataError, SourceError

X, Y = sines(classes=3, recordings=2, length=12)


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    folder = class_folders(tmp_path / "data", X, Y)
    scandir = os.scandir

    def denied(path):
        if str(path).endswith("c2"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(DataError, match=r"data/c2: cannot be read \(Permission denied\)$"):
        list(read_signals(folder, Wanted.by(SignalTask(path=str(folder)))))


@pytest.mark.parametrize("form", ["data", "data.zip", "data.npy", "data.npz", "data.csv"])
@pytest.mark.parametrize(
    "name", ["signal_column", "label_column", "recording_column", "label_file"]
)
def test_a_setting_that_means_nothing_for_a_form_of_source(tmp_path, form, name):
    source = tmp_path / form
    source.mkdir() if form == "data" else source.touch()
    read_by = {"data.npy": ["label_file"], "data": [], "data.zip": []}
    labels = tmp_path / "y.npy"
    np.save(labels, Y)
    value = str(labels) if name == "label_file" else "session"
    task = SignalTask(path=str(source), **{name: value})
    wanted = Wanted.by(task)
    if name in read_by.get(form, ["signal_column", "label_column", "recording_column"]):
        wanted.refuse_unread(source)
        return
    with pytest.raises(SourceError, match=rf"^task\.{name} = '.*' is for .*{form} is a .*unset it"):
        read_signals(source, wanted)
