"""``python -m anchors``: the commands behind the Makefile."""

import sys

from anchors.companion.cli import main

sys.exit(main())
