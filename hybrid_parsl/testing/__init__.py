"""Contract tests, to be run by those who add a site, a problem, an optimiser or a backend."""

import sys

if "pytest" in sys.modules:  # workers import this package without it
    import pytest

    for _contract in ("backend", "optimizer", "problem", "site"):
        pytest.register_assert_rewrite(f"{__name__}.{_contract}_contract")
