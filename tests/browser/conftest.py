"""One Chromium per test file, and a page of it that is watched."""

import pytest
from browser.widget_case import launched, new_page


@pytest.fixture(scope="module")
def chromium():
    with launched() as one:
        yield one


@pytest.fixture
def page(chromium):
    """A page; whatever went wrong on it fails the test at its end."""
    one = new_page(chromium)
    yield one
    assert one.trouble == []
    one.context.close()
