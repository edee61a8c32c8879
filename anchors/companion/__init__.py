"""What all papers share: paths, parameters, data sets, cache, published values, provenance, style, runner, report."""
