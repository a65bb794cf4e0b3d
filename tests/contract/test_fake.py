"""The contract on the fake manager, and checks that only a fast manager allows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nnicli import Experiment
from nnicli.testing import FakeInstallation
from tests.contract.contract import ManagerContract, assert_nothing_left
from tests.contract.scenes import PLAIN_TRIAL, open_files, registry, write_config


class TestFakeManager(ManagerContract):
    @pytest.fixture(scope="class")
    @classmethod
    def nni(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return FakeInstallation.create(tmp_path_factory.mktemp("nni")).prefix

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    def test_two_hundred_cycles_leave_nothing(
        self, nni: Path, tmp_path: Path, home: Path, free_port: Callable[[], int]
    ) -> None:
        config, port = write_config(tmp_path / "project", PLAIN_TRIAL), free_port()
        experiment = Experiment(nni=nni)
        files = []

        for _ in range(200):
            experiment.start_experiment(config, port=port)
            experiment.stop_experiment()
            assert_nothing_left(str(experiment.exp_id), port, home=home, nni=nni)
            files.append(open_files())

        assert len(registry(home, nni)) == 200
        # The first cycles import modules and fill caches.
        assert files[-1] == files[10]
