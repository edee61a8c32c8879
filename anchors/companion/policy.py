"""The content security policy of a page that carries all it needs: own script and style, by hash, and no request."""

import base64
import hashlib


def policy(script: str, css: str | None, images: str = "data:") -> str:
    """Return the policy of a page with one inline script and one style sheet.

    Parameters
    ----------
    css : None allows any style of the page itself, for pages whose tags bring styles of their own.
    images : where pictures may come from, besides nowhere: ``data:``, ``blob:``.
    """
    style = "'unsafe-inline'" if css is None else _hashed(css)
    return (
        f"default-src 'none'; script-src {_hashed(script)}; style-src {style}; "
        f"img-src {images}; base-uri 'none'; form-action 'none'"
    )


def _hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
