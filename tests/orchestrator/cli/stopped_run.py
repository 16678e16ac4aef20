"""`metatrain WORDS...` that gets a signal at the moment when it first looks for a module.

python stopped_run.py MODULE SIGNAL WORDS...
"""

import os
import sys

import metatrain


class Striker:
    """A finder that finds no module, and sends the signal once."""

    def __init__(self, module, number):
        self._module, self._number = module, number

    def find_spec(self, name, path=None, target=None):
        if name == self._module:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), self._number)


if __name__ == "__main__":
    sys.meta_path.insert(0, Striker(sys.argv[1], int(sys.argv[2])))
    del sys.argv[1:3]
    metatrain.main()
