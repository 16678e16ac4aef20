"""Audio files (WAV, FLAC), through the library soundfile, which is an extra."""

import io
from typing import Any

from workers.wire.errors import DataError
from workers.wire.protocol import Array

SUFFIXES = (".wav", ".flac")
_NEEDED = "audio files need the library soundfile: pip install 'metatrain[audio]'"


def read_audio(content: bytes, where: str) -> tuple[Array, int]:
    """Return samples float32 [length, channels], from -1 to 1, and the sampling rate in Hz.

    Args:
      where: what the file is called, for errors.
    Raises:
      DataError: it cannot be read, or there is no soundfile.
    """
    soundfile = _soundfile(where)
    try:
        values, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError) as error:
        line = str(error).partition("\n")[0]
        raise DataError(f"{where}: no audio that can be read ({line})") from None
    return values, int(rate)


def _soundfile(where: str) -> Any:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: its own library of the system is missing
        raise DataError(f"{where}: {_NEEDED}; or convert them to .npy") from None
    return soundfile
