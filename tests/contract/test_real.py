"""The contract on real managers, each in its own environment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nnicli import find_installation
from tests.contract.contract import ManagerContract
from tests.support import REAL_NNIS
from tools.managers import Release, release_of


def _classes() -> Iterator[tuple[str, type[ManagerContract]]]:
    for place in REAL_NNIS:
        release = release_of(find_installation(place).version)
        name = f"TestNni{release.version.replace('.', '_')}"
        yield name, _class_for(name, release, Path(place))


def _class_for(name: str, row: Release, place: Path) -> type[ManagerContract]:
    class TestRealManager(ManagerContract):
        release = row

        @pytest.fixture(scope="class")
        @classmethod
        def nni(cls) -> Path:
            return place

    TestRealManager.__name__ = TestRealManager.__qualname__ = name
    # Before 3.0 each step of a trial takes 5 s.
    return pytest.mark.timeout(600)(pytest.mark.real(TestRealManager))


# One class each, so that workers can test several releases at once. An NNI that was promised but
# is missing is a failure, not a skip: the search above raises.
globals().update(_classes())


@pytest.mark.skipif(bool(REAL_NNIS), reason="the classes above run")
def test_real_managers_are_given() -> None:
    pytest.skip("NNICLI_TEST_NNI names no environment with an NNI; run `make test`")
