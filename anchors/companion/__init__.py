"""What all papers share: paths, profiles, datasets, cache, published values, provenance, style, runner, report, doctor."""
