#!/usr/bin/env bash
# The quick tests with the oldest version of each dependency that pyproject.toml allows, and pip check.
#
#   .ci/oldest.sh [FOLDER [WORDS FOR PYTEST...]]
#
# FOLDER is where the environment is made; it is kept, and used again if it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=${1:-$(mktemp -d)/oldest}
shift || true

[ -x "$environment/bin/python" ] || python3 -m venv "$environment"
python="$environment/bin/python"
"$python" -m pip install -q --upgrade pip packaging
"$python" .ci/oldest_versions.py >"$environment/oldest.txt"
echo "+ the oldest of each:" $(cat "$environment/oldest.txt")
"$python" .ci/oldest_versions.py tests >"$environment/tests.txt"
"$python" -m pip install -q -c "$environment/oldest.txt" -e . -r "$environment/tests.txt"
"$python" -m pip check
"$python" -m pytest -n 2 --dist loadfile "$@"
