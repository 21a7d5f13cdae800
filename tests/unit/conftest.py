"""What the tests of single functions and rooms share."""

import gc

import pytest


@pytest.fixture(scope="package", autouse=True)
def garbage_of_others() -> None:
    """Set aside what other tests of this process have left: many of these look for garbage of their own.

    What those have left as garbage is not found any more; what these leave is.
    """
    gc.collect()
    gc.freeze()
