"""Reconstruction Relations Embedded Hashing (RREH, reconstructed), baselines, metrics, retrieval, views, plots."""


def __getattr__(name: str):
    """Return the estimator ``anchors.hashing.RREH``, loaded when it is asked for: importing the package stays cheap."""
    if name == "RREH":
        from anchors.hashing.rreh import RREH

        return RREH
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
