"""What an Arrow IPC stream says of its batches, before any of it is decoded.

A few bytes can stand for gigabytes: as compressed buffers, or as a batch that says to have many
rows of a type without buffers. The offsets are those of Arrow's `Message.fbs`.
"""

from typing import Any

import pyarrow as pa

_SCHEMA, _RECORD_BATCH = 1, 3
_HEADER_TYPE, _HEADER, _COMPRESSION = 6, 8, 10


def refuse_unbounded(content: bytes) -> None:
    """Refuse compressed batches and dictionaries.

    Raises:
      ValueError: there are such, or the stream is damaged.
    """
    stream = pa.BufferReader(content)
    while stream.tell() < stream.size():
        try:
            message = pa.ipc.read_message(stream)
        except EOFError:  # the mark of a stream's end
            return
        kind, header = _header(bytes(message.metadata))
        if kind not in (_SCHEMA, _RECORD_BATCH):
            raise ValueError("it has dictionaries; write plain columns")
        if kind == _RECORD_BATCH and header.Offset(_COMPRESSION):
            raise ValueError("it is compressed; write it without compression")


def _header(metadata: bytes) -> tuple[int, Any]:
    """Return a message's kind, and its header as a table."""
    from flatbuffers import encode, number_types
    from flatbuffers.table import Table

    try:
        message = Table(metadata, encode.Get(number_types.UOffsetTFlags.packer_type, metadata, 0))
        place = message.Offset(_HEADER_TYPE)
        kind = message.Get(number_types.Uint8Flags, place + message.Pos) if place else 0
        header = Table(metadata, 0)
        message.Union(header, message.Offset(_HEADER))
    except Exception as error:  # whatever a damaged table makes flatbuffers raise
        raise ValueError(f"a message is damaged: {error}") from None
    return kind, header
