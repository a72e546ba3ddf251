"""One fixture: the row, an array library on a device."""

import pytest
from rows import ROWS, open_row


@pytest.fixture(params=ROWS)
def row(request):
    with open_row(request.param) as row:
        yield row


@pytest.fixture(params=ROWS)
def host_row(request):
    """A row whose arrays lie in memory that a native library can read."""
    with open_row(request.param, host=True) as row:
        yield row
