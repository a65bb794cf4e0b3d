"""The contract on the real manager of NNI 3.0."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.contract import ManagerContract
from tests.support import REAL_NNI


@pytest.mark.real
@pytest.mark.skipif(
    REAL_NNI is None, reason="NNICLI_TEST_NNI names no environment with NNI 3.0; run `make test`"
)
class TestRealManager(ManagerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def nni(cls) -> Path:
        # Promised and not there is a failure, not a skip.
        assert REAL_NNI is not None
        (main,) = Path(REAL_NNI).glob("lib/python*/site-packages/nni_node/main.js")
        assert main.is_file()
        return Path(REAL_NNI)
