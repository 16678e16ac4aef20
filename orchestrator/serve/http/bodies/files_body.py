"""A body of files, multipart/form-data: a field `support:CLASS` or `query` for each file."""

from typing import Any

from orchestrator.serve.examples import EncodedFiles, Examples
from orchestrator.serve.request_error import RequestError

TYPE = "multipart/form-data"
_SUPPORT, _QUERY = "support:", "query"


async def read_files(form: Any) -> Examples:
    """Read a form.

    Args:
      form: Starlette's `FormData`.
    Raises:
      RequestError: a field has another name, or is no file.
    """
    support, targets, queries = list[tuple[str, bytes]](), list[str](), list[tuple[str, bytes]]()
    for field, value in form.multi_items():
        if isinstance(value, str):
            raise RequestError(
                422, f"the field {field!r} is text; send a file (curl -F {field}=@FILE)"
            )
        file = (value.filename or field, await value.read())
        if field == _QUERY:
            queries.append(file)
        elif field.startswith(_SUPPORT) and len(field) > len(_SUPPORT):
            support.append(file)
            targets.append(field.removeprefix(_SUPPORT))
        else:
            raise RequestError(
                422, f"the field {field!r} is unknown; 'support:CLASS' and 'query' are allowed"
            )
    return Examples(
        support=_files(support),
        targets=targets or None,
        queries=_files(queries),
        names=[name for name, _ in queries] or None,
    )


def _files(files: list[tuple[str, bytes]]) -> EncodedFiles | None:
    if not files:
        return None
    return EncodedFiles([name for name, _ in files], [content for _, content in files])
