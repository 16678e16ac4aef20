"""Skips the test file that imports it, directly or not, where the extra `serve` is missing."""

import pytest

_NEEDED = ("starlette", "fastapi", "uvicorn", "python_multipart", "httpx2")
_modules = {
    name: pytest.importorskip(name, reason=f"no {name}; run: pip install 'metatrain[serve]' httpx2")
    for name in _NEEDED
}
httpx2 = _modules["httpx2"]
