"""One Chromium per test file, and a page of it that is watched."""

import pytest
from browser.widget_case import chromium, new_page


@pytest.fixture(scope="module")
def instance():
    with chromium() as one:
        yield one


@pytest.fixture
def page(instance):
    """A page; whatever went wrong on it fails the test at its end."""
    one = new_page(instance)
    yield one
    assert one.trouble == []
    one.context.close()
