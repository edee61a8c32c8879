"""Importing this module imports what notebooks import: the process that forks kernels does so once."""

from anchors.companion.warm import import_libraries

import_libraries()
