"""What draws is imported while a run trains."""

import subprocess
import sys

PROGRAM = """
import sys
from orchestrator.reporting import imported_ahead
assert "matplotlib.figure" not in sys.modules
imported_ahead.import_drawing_ahead().join()
print([name for name in imported_ahead._MODULES if name not in sys.modules])
"""


def test_every_module_that_is_named_is_imported():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
