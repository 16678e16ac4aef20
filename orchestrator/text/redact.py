"""Redaction of secrets in URIs, which are found by parsing the URI."""

import re
from urllib.parse import unquote

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_HIDDEN = "***"
#: The parameters of a store's URI that may be shown. The value of any other one is hidden: secrets
#: have many names, these have few.
PUBLIC = frozenset(
    [
        *(
            "region",
            "scheme",
            "endpoint_override",
            "allow_bucket_creation",
            "allow_bucket_deletion",
        ),
        *(
            "check_directory_existence_before_creation",
            "force_virtual_addressing",
            "smart_defaults",
        ),
        *("tls_ca_file_path", "tls_ca_dir_path", "tls_verify_certificates"),
        *("retry_limit_seconds", "project_id", "credential_kind", "tenant_id", "client_id"),
        *("enable_tls", "background_writes", "blob_storage_authority", "dfs_storage_authority"),
        *("blob_storage_scheme", "dfs_storage_scheme", "account_name"),
        *("replication", "buffer_size", "default_block_size", "user"),
    ]
)
# A path, a number or a word: nothing that could be a URI or a credential itself.
_PLAIN = re.compile(r"[\w./:\[\]~+, -]*")
# Schemes whose part before the @ is not a secret: a container or a user name.
_NAMED = frozenset(
    ["abfs", "abfss", "hdfs", "viewfs", "mssql", "mysql", "oracle", "postgres", "postgresql"]
)
_CLOSING = {"'": "'", '"': '"', "`": "`", "(": ")", "[": "]", "{": "}", "<": ">"}
# KEY:SEC of a secret that holds a space; not host:8265.
_OPEN = re.compile(r"[^\s@/?#:]+:(?!\d*[\s,.:;'\")\]]*(?:[/?#]|$))[^@]*")
# A word of a command line that is a single URI: --out=s3://..., mlflow='...'
_WHOLE = re.compile(r"(?:[\w.-]+=)?['\"]?(?=[A-Za-z][A-Za-z0-9+.-]*://)")


def redact(text: str) -> str:
    """Replace the secrets in the URIs of a text by ***.

    Secrets are the part before the @ of a host, and the value of each parameter whose name is not
    in `PUBLIC`. If it is not certain where a secret ends, more is hidden.

    Example:

        redact("s3://KEY:SECRET@bucket/run") == "s3://***@bucket/run"
    """
    shown, at = "", 0
    while scheme := _SCHEME.search(text, at):
        end = _end(text, scheme.start(), scheme.end())
        shown += text[at : scheme.end()] + _redact_rest(scheme[0], text[scheme.end() : end])
        at = end
    return shown + text[at:]


def redact_word(word: str) -> str:
    """Redact a word of a command line, in which a URI may hold spaces."""
    whole = _WHOLE.match(word)
    if whole is None:
        return redact(word)
    scheme = _SCHEME.match(word, whole.end())
    assert scheme is not None
    return word[: scheme.end()] + _redact_rest(scheme[0], word[scheme.end() :])


def holds_secret(text: str) -> bool:
    """Return whether a text contains a URI with a secret."""
    return redact_word(text) != text or redact(text) != text


def _end(text: str, start: int, rest: int) -> int:
    """Return where the URI whose scheme begins at `start` ends: at a space or a closing quote."""
    end = _next_space(text, rest)
    if _OPEN.fullmatch(text, rest, end) and (mark := text.find("@", end)) >= 0:
        end = _next_space(text, mark)
    closing = _CLOSING.get(text[start - 1 : start])
    quote = text.rfind(closing, rest, end) if closing else -1
    if quote >= 0:
        return quote
    return rest + len(text[rest:end].rstrip(",.:;"))


def _next_space(text: str, at: int) -> int:
    space = re.compile(r"\s").search(text, at)
    return space.start() if space else len(text)


def _redact_rest(scheme: str, rest: str) -> str:
    """Redact the part of a URI after `scheme`://."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    named = scheme.partition(":")[0].lower().partition("+")[0] in _NAMED
    last = _last_at(rest, authority)
    shown = ""
    if last >= 0:
        user, rest = rest[:last], rest[last + 1 :]
        shown = f"{user if named and ':' not in unquote(user) else _HIDDEN}@"
    place, mark, parameters = _first_of("?#", rest)
    place = re.sub(r";([^=;/]*)=([^;/]*)", lambda m: f";{_parameter(m[1], m[2])}", place)
    if mark == "?":
        parameters, hash_mark, fragment = parameters.partition("#")
        return shown + place + mark + _all(parameters) + hash_mark + _fragment(fragment)
    return shown + place + mark + _fragment(parameters)


def _last_at(rest: str, authority: str) -> int:
    """Find the @ before the host; -1 if there is none.

    A secret may hold unquoted slashes, question marks and @: the very last @ ends it. There is none
    if neither an @ nor a colon comes before the path, as in s3://bucket/run@home.
    """
    return rest.rfind("@") if "@" in authority or ":" in authority else -1


def _first_of(marks: str, text: str) -> tuple[str, str, str]:
    mark = re.search(f"[{marks}]", text)
    return (text[: mark.start()], mark[0], text[mark.end() :]) if mark else (text, "", "")


def _all(parameters: str) -> str:
    parts = re.split(r"([&;])", parameters)
    return "".join(
        part if part in ("&", ";", "") else _parameter(*part.split("=", 1)) for part in parts
    )


def _parameter(name: str, value: str | None = None) -> str:
    if value is None:  # ?TOKEN
        return name if unquote(name).lower() in PUBLIC else _HIDDEN
    if value == "":
        return f"{name}="
    public = unquote(name).lower() in PUBLIC and _PLAIN.fullmatch(unquote(value))
    return f"{name}={value if public else _HIDDEN}"


def _fragment(fragment: str) -> str:
    """Redact a fragment, which may hold parameters."""
    return _all(fragment) if "=" in fragment else fragment
