"""The thought-anchor explorer: a trace, its importances and its links to look at, in JupyterLab or in a page."""
