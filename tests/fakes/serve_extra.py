"""Skips the test file that imports it, directly or not, where the extra `serve` is missing."""

import pytest

for _name in ("starlette", "fastapi", "uvicorn", "python_multipart", "httpx2"):
    pytest.importorskip(_name, reason=f"no {_name}; run: pip install 'metatrain[serve]' httpx2")
