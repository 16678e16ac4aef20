"""Checks of all files that start a cluster: cluster*.yaml and kubernetes/."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

# Ray's GCS then notices a lost machine within 5 s instead of 65.
HEALTH_CHECKS = {
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}

# Ray's tokens are 64 hexadecimal digits, AWS' key ids begin with AKIA or ASIA, and whatever is set
# by one of these names would be a secret that stands there.
SECRETS = re.compile(
    r"\b[0-9a-f]{32,}\b|\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|(RAY_AUTH_TOKEN|AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN)\s*[:=]"
    r"|PRIVATE KEY",
)
