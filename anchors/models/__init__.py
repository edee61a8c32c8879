"""Language models and sentence embedders, loaded from installed packages, local folders or a hub id."""

import os

from anchors.companion.paths import offline

if offline():  # the hub's client reads it when it is imported; without it even a look into its cache asks the network
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
