"""Training services of the v2 format: what each needs, and what is sent for it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from nnicli.config import check_config, load_config
from tests.sample_configs import SERVICES, V2_RELEASES, make_files, v2_config


def _service(platform: str, **changes: Any) -> dict[str, Any]:
    """Return a service; keys of changes are its fields, with `__` between levels."""
    service: dict[str, Any] = {"platform": platform, **copy.deepcopy(SERVICES[platform])}
    for path, value in changes.items():
        *parents, last = path.split("__")
        section: Any = service
        for name in parents:
            section = section[int(name) if name.isdigit() else name]
        if value is None:
            del section[last]
        else:
            section[last] = value
    return service


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    (tmp_path / "list.yml").write_text("- 1\n")
    (tmp_path / "job.yml").write_text("taskRoles: {worker: {instances: 1}}\n")
    return tmp_path


@pytest.mark.parametrize("platform", SERVICES)
def test_every_service_is_valid_where_its_release_takes_it(platform: str, directory: Path) -> None:
    version = V2_RELEASES.get(platform, "3.0")

    assert (
        check_config(v2_config(_service(platform)), base_path=directory, nni_version=version) == []
    )


@pytest.mark.parametrize("platform", ["openpai", "aml", "dlc", "adl"])
def test_a_service_that_3_0_does_not_have_is_an_error(platform: str, directory: Path) -> None:
    problems = check_config(v2_config(_service(platform)), base_path=directory, nni_version="3.0")

    (problem,) = [one for one in problems if one.rule == "training-service"]
    assert problem.location == "trainingService.platform"
    assert "allowed: local, remote, kubeflow, frameworkcontroller" in problem.message
    in_a_list = problem.suggestion == "write it as the only item of a list"
    assert in_a_list == (platform in ("aml", "dlc"))


def test_a_hybrid_list_is_checked_item_by_item(directory: Path) -> None:
    services = [{"platform": "local"}, _service("aml"), _service("openpai"), {"platform": "aml"}]

    problems = check_config(v2_config(services), base_path=directory, nni_version="3.0")

    assert [problem.location for problem in problems] == [
        "trainingService[0].platform",
        "trainingService[2].platform",
        "trainingService[3].computeTarget",
        "trainingService[3].resourceGroup",
        "trainingService[3].subscriptionId",
        "trainingService[3].workspaceName",
    ]


@pytest.mark.parametrize(
    ("platform", "changes", "location", "message"),
    [
        (
            "openpai",
            {"localStorageMountPoint": "none"},
            "localStorageMountPoint",
            "directory not found",
        ),
        ("openpai", {"openpaiConfigFile": "none.yml"}, "openpaiConfigFile", "cannot be read"),
        (
            "openpai",
            {"openpaiConfigFile": "job.yml", "openpaiConfig": {}},
            "openpaiConfigFile",
            "exclude each other",
        ),
        (
            "openpai",
            {"openpaiConfigFile": "list.yml"},
            "openpaiConfigFile",
            "does not hold a mapping",
        ),
        ("openpai", {"trialMemorySize": "8"}, "trialMemorySize", "a unit"),
        ("openpai", {"trialMemorySize": "0gb"}, "trialMemorySize", "a unit"),
        ("dlc", {"workspaceId": None}, "workspaceId", "2.8 and later"),
        ("dlc", {"jobType": "Job"}, "jobType", "allowed: TFJob, PyTorchJob"),
        ("kubeflow", {"storage__azureShare": "x"}, "storage.azureShare", "not a field of storage"),
        ("kubeflow", {"storage__server": None}, "storage.server", "required but missing"),
        ("kubeflow", {"operator": "pytorch-operator"}, "master", "pytorch-operator runs it"),
        (
            "kubeflow",
            {"master": SERVICES["kubeflow"]["worker"]},
            "master",
            "not a role of operator",
        ),
        (
            "kubeflow",
            {"worker__codeDirectory": "none"},
            "worker.codeDirectory",
            "directory not found",
        ),
        ("kubeflow", {"worker__memorySize": "lots"}, "worker.memorySize", "a unit"),
        (
            "frameworkcontroller",
            {"taskRoles": SERVICES["frameworkcontroller"]["taskRoles"] * 2},
            "taskRoles[1].name",
            'found "worker" again; give each role a different name',
        ),
    ],
)
def test_an_invalid_service_is_reported(
    directory: Path, platform: str, changes: dict[str, Any], location: str, message: str
) -> None:
    config = v2_config(_service(platform, **changes))

    problems = check_config(
        config, base_path=directory, nni_version=V2_RELEASES.get(platform, "3.0")
    )

    (problem,) = problems
    assert problem.location == f"trainingService.{location}"
    assert message in problem.message


def test_every_spelling_of_a_service_is_understood(directory: Path) -> None:
    service = {
        "PLATFORM": "kubeflow",
        "Operator": "tf-operator",
        "api_version": "v1",
        "storage": {"storage_type": "nfs", "SERVER": "a", "path": "/b"},
        "worker": {
            "replicas": 1,
            "command": "x",
            "cpu_number": 1,
            "memory_size": "1gb",
            "code_directory": ".",
        },
    }

    assert check_config(v2_config(service), base_path=directory) == []


def test_a_secret_of_a_service_is_never_shown(directory: Path) -> None:
    config = v2_config(_service("openpai", token=7, host=""))

    problems = check_config(config, base_path=directory, nni_version="2.10.1")

    assert {"trainingService.token", "trainingService.host"} == {p.location for p in problems}
    assert "7" not in str(problems[1].message)


def test_what_is_sent_has_the_defaults_and_absolute_paths(directory: Path) -> None:
    def sent(platform: str, **changes: Any) -> dict[str, Any]:
        loaded = load_config(
            v2_config(_service(platform, **changes)),
            base_path=directory,
            nni_version=V2_RELEASES.get(platform, "3.0"),
        )
        service: dict[str, Any] = loaded.document["trainingService"]
        return service

    pai = sent("openpai", openpaiConfigFile="job.yml")
    assert pai["host"] == "https://pai.example.org"
    assert pai["localStorageMountPoint"] == str(directory / "mount")
    assert pai["openpaiConfig"] == {"taskRoles": {"worker": {"instances": 1}}}
    assert "openpaiConfigFile" not in pai
    assert (pai["reuseMode"], pai["dockerImage"]) == (True, "msranni/nni:latest")
    kubeflow = sent("kubeflow")
    assert kubeflow["worker"]["codeDirectory"] == str(directory)
    assert kubeflow["worker"]["gpuNumber"] == 0
    roles = sent("frameworkcontroller")["taskRoles"]
    assert [role["dockerImage"] for role in roles] == ["msranni/nni:latest"]
    assert sent("dlc")["type"] == "Worker"
    assert sent("aml")["maxTrialNumberPerGpu"] == 1
    assert sent("adl")["dockerImage"] == "msranni/nni:latest"


def test_a_hybrid_list_is_sent_as_one(directory: Path) -> None:
    services = [{"platform": "local"}, _service("aml")]

    config = v2_config(services)
    document = load_config(config, base_path=directory, nni_version="2.10.1").document

    assert [one["platform"] for one in document["trainingService"]] == ["local", "aml"]
    assert all(one["trialCodeDirectory"] == str(directory) for one in document["trainingService"])
