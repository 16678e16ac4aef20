"""Patterns of private keys and tokens, by the marks that their issuers give them.

The table is short: existing scanners look for much more, take seconds for a folder, and guess by
entropy, which refuses hashes and pictures.
"""

import re
from dataclasses import dataclass
from pathlib import Path

#: Bytes of a file that are searched.
MOST_BYTES = 1_000_000
_BEFORE, _AFTER = rb"(?<![A-Za-z0-9_+/-])", rb"(?![A-Za-z0-9_+/-])"


@dataclass(frozen=True, slots=True)
class _Look:
    """The pattern of a secret.

    what: name of the secret, for messages.
    marks: every match of `pattern` contains one of them; searching for them is much faster.
    """

    what: str
    marks: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


def _token(what: str, marks: bytes, pattern: bytes) -> _Look:
    """Build the pattern of a separate word: one of `marks`, followed by `pattern`."""
    parts = tuple(marks.split())
    begins = b"|".join(map(re.escape, parts))
    return _Look(what, parts, re.compile(_BEFORE + b"(?:" + begins + b")" + pattern + _AFTER))


def _text(what: str, mark: bytes, pattern: bytes) -> _Look:
    return _Look(what, (mark,), re.compile(pattern))


_LOOKS = (
    _text(
        "a private key",
        b"PRIVATE KEY",
        rb"-{4,5} ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}",
    ),
    _text("a private key of PuTTY's", b"PuTTY-User-Key", rb"PuTTY-User-Key-File-\d"),
    _text("a private key of age's", b"AGE-SECRET-KEY-", rb"AGE-SECRET-KEY-1[0-9A-Z]{20}"),
    _text(
        "a private key of WireGuard's", b"PrivateKey", rb"PrivateKey\s*=\s*[A-Za-z0-9+/]{42,43}="
    ),
    _text(
        "a private key of a cluster's user", b"-key-data", rb"client-key-data:\s*[A-Za-z0-9+/]{40}"
    ),
    _token("an access key of AWS'", b"AKIA ASIA", rb"[A-Z0-9]{16}"),
    _text(
        "a secret key of AWS'",
        b"ecret",
        rb"(?i:aws_?secret_?(?:access_?)?key)['\"]?\s*[:=]\s*['\"]?[A-Za-z0-9/+]{40}",
    ),
    _text("a key of Azure's", b"ccountKey", rb"(?i:AccountKey)=[A-Za-z0-9+/]{40,}={0,2}"),
    _token("a key of Google's", b"AIza", rb"[A-Za-z0-9_-]{35}"),
    _token("a token of Google's", b"ya29. GOCSPX-", rb"[A-Za-z0-9_-]{20,}"),
    _token("a token of GitHub's", b"ghp_ gho_ ghu_ ghs_ ghr_", rb"[A-Za-z0-9]{30,}"),
    _token("a token of GitHub's", b"github_pat_", rb"[A-Za-z0-9_]{22,}"),
    _token(
        "a token of GitLab's",
        b"glpat- gloas- gldt- glrt- glcbt- glptt- glft- glsoat- glagent-",
        rb"[A-Za-z0-9_.-]{20,}",
    ),
    _token(
        "a token of Slack's", b"xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-", rb"[\w.-]{10,}"
    ),
    _text(
        "an address of Slack's", b"hooks.slack.com", rb"hooks\.slack\.com/services/T\w+/B\w+/\w{8,}"
    ),
    _token(
        "a key of Stripe's", b"sk_live_ sk_test_ rk_live_ rk_test_ whsec_", rb"[A-Za-z0-9]{16,}"
    ),
    _token("a token of Hugging Face's", b"hf_ api_org_", rb"[A-Za-z0-9]{30,}"),
    _token("a key of OpenAI's or Anthropic's", b"sk-", rb"(?=[\w-]*\d)(?=[\w-]*[A-Z])[\w-]{32,}"),
    _token("a key of a model's server", b"gsk_ xai- r8_ pplx- nvapi-", rb"[A-Za-z0-9]{32,}"),
    _token("a token of a package index", b"pypi-AgE", rb"[A-Za-z0-9_-]{50,}"),
    _token("a token of a package index", b"npm_", rb"[A-Za-z0-9]{36}"),
    _token("a token of a package index", b"dckr_pat_", rb"[A-Za-z0-9_-]{27,}"),
    _text("a token of a package index", b"_authToken", rb":_authToken\s*=\s*['\"]?[\w-]{16,}"),
    _token("a token of a cloud's", b"dop_v1_ doo_v1_ dapi pul-", rb"[a-f0-9]{32,}"),
    _token("a token of Vault's", b"hvs. hvb.", rb"[A-Za-z0-9_-]{24,}"),
    _text("a token of Terraform's", b".atlasv1.", rb"\w{14}\.atlasv1\.[\w-]{60,}"),
    _token("a key of SendGrid's", b"SG.", rb"[\w-]{22}\.[\w-]{40,}"),
    _text("a token of Telegram's", b":AA", rb"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])"),
    _token("a signed token (JWT)", b"eyJ", rb"[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    _text("a login", b"machine", rb"machine\s+\S+\s+login\s+\S+\s+password\s+\S+"),
    _text(
        "a login of Docker's", b'"auth"', rb'"auths"[\s\S]{0,400}?"auth"\s*:\s*"[A-Za-z0-9+/=]{8,}"'
    ),
    _text(
        "a key of Kaggle's", b'"key"', rb'"username"\s*:\s*"[^"]+"\s*,\s*"key"\s*:\s*"[0-9a-f]{32}"'
    ),
)


def secret_in(content: bytes) -> str:
    """Name what looks like a private key or token in `content`, and its line; "" if none."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16
        content = content.replace(b"\0", b"")
    for look in _LOOKS:
        if not any(mark in content for mark in look.marks):
            continue
        if match := look.pattern.search(content):
            line = content.count(b"\n", 0, match.start()) + 1
            return f"{look.what} in line {line}"
    return ""


def secret_in_file(file: Path) -> str:
    """Search the first MOST_BYTES of a file as `secret_in`."""
    with file.open("rb") as stream:
        return secret_in(stream.read(MOST_BYTES))
