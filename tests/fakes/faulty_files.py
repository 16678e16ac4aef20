"""A filesystem that fails on purpose, at an operation that a test chooses."""

import errno
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import fs


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FaultyFiles(fs.FileSystemHandler):
    """A real filesystem below, and `fault(kind, path)` before each operation on it.

    fault: raises to let the operation fail. done: every (kind, path) so far.
    """

    def __init__(self, below: Any, fault: Callable[[str, str], None] = lambda kind, path: None):
        self.below, self.fault = below, fault
        self.done: list[tuple[str, str]] = []

    def filesystem(self) -> Any:
        return fs.PyFileSystem(self)

    def step(self, kind: str, path: str) -> None:
        # A local file is written beside its place: it is called by its own name here.
        path = re.sub(r"/\.([^/]*)\.part$", r"/\1", path)
        self.done.append((kind, path))
        self.fault(kind, path)

    def open_output_stream(self, path, metadata):
        self.step("open_output_stream", path)
        return pa.PythonFile(_Stream(self, self.below.open_output_stream(path), path), mode="w")

    def create_dir(self, path, recursive):
        self.step("create_dir", path)
        self.below.create_dir(path, recursive=recursive)

    def get_file_info(self, paths):
        for path in paths:
            self.step("get_file_info", path)
        return self.below.get_file_info(paths)

    def get_file_info_selector(self, selector):
        self.step("get_file_info", selector.base_dir)
        return self.below.get_file_info(selector)

    def delete_dir(self, path):
        self.step("delete_dir", path)
        self.below.delete_dir(path)

    def delete_file(self, path):
        self.step("delete_file", path)
        self.below.delete_file(path)

    def move(self, path, new_path):
        self.step("move", new_path)
        self.below.move(path, new_path)

    def open_input_stream(self, path):
        self.step("open_input_stream", path)
        return self.below.open_input_stream(path)

    def open_input_file(self, path):
        return self.below.open_input_file(path)

    def get_type_name(self):
        return "faulty"

    def normalize_path(self, path):
        return path

    def _not_used(self, *arguments):
        raise NotImplementedError

    copy_file = open_append_stream = _not_used
    delete_dir_contents = delete_root_dir_contents = _not_used


class _Stream:
    """A file that is written to; a fault of the kind "torn" strikes after half of the bytes."""

    closed = False

    def __init__(self, files: FaultyFiles, stream: Any, path: str):
        self._files, self._stream, self._path = files, stream, path

    def write(self, content):
        content = bytes(content)
        self._stream.write(content[: len(content) // 2])
        self._stream.flush()
        self._files.step("torn", self._path)
        self._stream.write(content[len(content) // 2 :])
        return len(content)

    def flush(self):
        self._stream.flush()

    def close(self):
        self._stream.close()
        self.closed = True


def fail_at(number: int, error: Callable[[], OSError] = no_space) -> Callable[[str, str], None]:
    """A fault at the operation of that number, counted from 0, and at no other."""
    counter = iter(range(10**9))

    def fault(kind: str, path: str) -> None:
        if next(counter) == number:
            raise error()

    return fault


def slow(seconds: float, part: str) -> Callable[[str, str], None]:
    """Writing to a path that holds `part` takes so long, half-way."""

    def fault(kind: str, path: str) -> None:
        if kind == "torn" and part in path:
            time.sleep(seconds)

    return fault
