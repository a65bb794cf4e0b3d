"""How experiments end, on the fake manager and on real ones.

For releases other than the newest and the fake one, `make test` runs only the short list; `make
test-managers` runs everything on each.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from nnicli import find_installation
from nnicli.testing import FakeInstallation
from tests.contract.endings import AlgorithmEndings, ListEndings, ShortEndings
from tests.support import REAL_NNIS
from tools.managers import release_of

_NEWEST = "3.0"


class TestFakeEndings(ShortEndings, ListEndings):
    @pytest.fixture(scope="class")
    @classmethod
    def nni(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return FakeInstallation.create(tmp_path_factory.mktemp("nni")).prefix


def _add_classes(place: Path) -> None:
    row = release_of(find_installation(place).version)
    name = row.version.replace(".", "_")

    class Short(ShortEndings):
        release = row

        @pytest.fixture(scope="class")
        @classmethod
        def nni(cls) -> Path:
            return place

    class Long(ListEndings, AlgorithmEndings):
        release = row

        @pytest.fixture(scope="class")
        @classmethod
        def nni(cls) -> Path:
            return place

    if row.version != _NEWEST:
        pytest.mark.matrix(Long)
    for cls in (Short, Long):
        cls.__name__ = cls.__qualname__ = f"TestNni{name}{cls.__name__}"
        globals()[cls.__name__] = pytest.mark.timeout(600)(pytest.mark.real(cls))


for found in REAL_NNIS:
    _add_classes(Path(found))
