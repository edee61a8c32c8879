"""Language models and sentence embedders, loaded from installed packages, local folders or a hub id."""
