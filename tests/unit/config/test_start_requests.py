"""Bodies sent to managers of 1.8 to 2.1, and for Kubernetes to later ones."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest

from nnicli.config.formats.start_requests import (
    StartRequests,
    legacy_requests,
    stored_requests,
    v1_requests,
)
from nnicli.config.releases import release_for

Body = dict[str, Any]

SPACE = {"x": {"_type": "choice", "_value": [None, 1]}}
SPACE_TEXT = '{"x": {"_type": "choice", "_value": [null, 1]}}'
BASE: Body = {
    "authorName": "me",
    "experimentName": "mnist",
    "trialConcurrency": 2,
    "maxExecDuration": "1h",
    "maxTrialNum": 10,
    "searchSpace": SPACE,
    "tuner": {"builtinTunerName": "TPE", "classArgs": {"optimize_mode": "maximize"}},
    "useAnnotation": False,
    "debug": False,
    "logLevel": "info",
    "logDir": "/home/me/nni-experiments",
}
PROFILE: Body = {
    "authorName": "me",
    "experimentName": "mnist",
    "trialConcurrency": 2,
    "maxTrialNum": 10,
    "tuner": {"builtinTunerName": "TPE", "classArgs": {"optimize_mode": "maximize"}},
    "maxExecDuration": 3600,
    "versionCheck": True,
}
TRIAL: Body = {"command": "python3 t.py", "codeDir": "/code", "gpuNum": 1}
ADDRESS: Body = {"nni_manager_ip": {"nniManagerIp": "10.0.0.9"}}


@dataclass(frozen=True)
class Case:
    """A platform's own part of a config, and the requests made of it."""

    platform: str
    releases: tuple[str, ...]
    sections: Body
    first: Body
    trial: Body

    @property
    def document(self) -> Body:
        document = {**BASE, **self.sections, "trial": self.trial, "nniManagerIp": "10.0.0.9"}
        return deepcopy({**document, "trainingServicePlatform": self.platform})


V1_RELEASES = ("1.8", "1.9", "2.0", "2.1")
MACHINE: Body = {
    "ip": "10.0.0.1",
    "port": 22,
    "username": "me",
    "passwd": "hush",
    "gpuIndices": "0,1",
    "maxTrialNumPerGpu": 2,
    "useActiveGpu": True,
}
KEY_MACHINE: Body = {
    "ip": "gpu.example.org",
    "port": 2222,
    "username": "me",
    "sshKeyPath": "/home/me/.ssh/id",
    "passphrase": "hush",
}
PAI: Body = {
    "userName": "me",
    "token": "hush",
    "host": "10.0.0.2",
    "reuse": True,
    "cpuNum": 1,
    "memoryMB": 4096,
    "gpuNum": 1,
    "maxTrialNumPerGpu": 1,
    "useActiveGpu": False,
}
PAI_TRIAL: Body = {
    **TRIAL,
    "cpuNum": 1,
    "memoryMB": 4096,
    "image": "nni:v1",
    "virtualCluster": "default",
    "nniManagerNFSMountPath": "/mnt/a",
    "containerNFSMountPath": "/mnt/b",
    "paiStorageConfigName": "nfs",
}
PAI_YARN: Body = {"userName": "me", "passWord": "hush", "host": "10.0.0.3"}
PAI_YARN_TRIAL: Body = {
    **TRIAL,
    "cpuNum": 1,
    "memoryMB": 4096,
    "image": "nni:v1",
    "shmMB": 64,
    "authFile": "/home/me/auth",
    "portList": [{"label": "web", "beginAt": 8000, "portNumber": 1}],
}
ROLE: Body = {
    "replicas": 1,
    "command": "python3 t.py",
    "gpuNum": 0,
    "cpuNum": 1,
    "memoryMB": 4096,
    "image": "nni:v1",
}
KUBEFLOW: Body = {
    "operator": "tf-operator",
    "apiVersion": "v1",
    "storage": "nfs",
    "nfs": {"server": "10.0.0.4", "path": "/exports"},
}
KUBEFLOW_TRIAL: Body = {"codeDir": "/code", "worker": ROLE, "ps": ROLE}
CONTROLLER: Body = {
    "storage": "azureStorage",
    "serviceAccountName": "framework",
    "keyVault": {"vaultName": "vault", "name": "key-name"},
    "azureStorage": {"accountName": "account", "azureShare": "share"},
    "uploadRetryCount": 3,
}
TASK_ROLE: Body = {
    "name": "worker",
    "taskNum": 1,
    "command": "python3 t.py",
    "gpuNum": 0,
    "cpuNum": 1,
    "memoryMB": 4096,
    "image": "nni:v1",
    "frameworkAttemptCompletionPolicy": {"minFailedTaskCount": 1, "minSucceededTaskCount": 1},
}
CONTROLLER_TRIAL: Body = {"codeDir": "/code", "taskRoles": [TASK_ROLE]}
DLTS: Body = {
    "dashboard": "azure-eastus",
    "cluster": "a",
    "team": "b",
    "email": "me@example.org",
    "password": "hush",
}
AML: Body = {
    "subscriptionId": "s",
    "resourceGroup": "g",
    "workspaceName": "w",
    "computeTarget": "c",
    "maxTrialNumPerGpu": 1,
    "useActiveGpu": False,
}
IMAGE_TRIAL: Body = {**TRIAL, "image": "nni:v1"}
ADL_TRIAL: Body = {
    **TRIAL,
    "image": "nni:v1",
    "cpuNum": 1,
    "memorySize": "1Gi",
    "namespace": "default",
    "adaptive": True,
    "checkpoint": {"storageClass": "standard", "storageSize": "1Gi"},
    "nfs": {"server": "10.0.0.4", "path": "/exports", "containerMountPath": "/nfs"},
}

CASES = (
    Case(
        "remote",
        ("1.8",),
        {"machineList": [MACHINE, KEY_MACHINE], "remoteConfig": {"reuse": False}},
        {"machine_list": [MACHINE, KEY_MACHINE]},
        TRIAL,
    ),
    Case(
        "remote",
        ("1.9", "2.0", "2.1"),
        {"machineList": [MACHINE, KEY_MACHINE]},
        {"remote_config": {"reuse": False}, "machine_list": [MACHINE, KEY_MACHINE]},
        TRIAL,
    ),
    Case(
        "remote",
        ("1.9", "2.0", "2.1"),
        {"machineList": [MACHINE], "remoteConfig": {"reuse": True}, "localConfig": {}},
        {"remote_config": {"reuse": True}, "machine_list": [MACHINE]},
        TRIAL,
    ),
    Case("pai", V1_RELEASES, {"paiConfig": PAI}, {"pai_config": PAI}, PAI_TRIAL),
    Case(
        "paiYarn",
        ("1.8", "1.9", "2.0"),
        {"paiYarnConfig": PAI_YARN},
        {"pai_yarn_config": PAI_YARN},
        PAI_YARN_TRIAL,
    ),
    Case(
        "kubeflow",
        V1_RELEASES,
        {"kubeflowConfig": {**KUBEFLOW, "reuse": False}},
        {"kubeflow_config": KUBEFLOW},
        KUBEFLOW_TRIAL,
    ),
    Case(
        "frameworkcontroller",
        V1_RELEASES,
        {"frameworkcontrollerConfig": {**CONTROLLER, "reuse": False}},
        {"frameworkcontroller_config": CONTROLLER},
        CONTROLLER_TRIAL,
    ),
    Case("dlts", V1_RELEASES, {"dltsConfig": DLTS}, {"dlts_config": DLTS}, IMAGE_TRIAL),
    Case("aml", V1_RELEASES, {"amlConfig": AML}, {"aml_config": AML}, IMAGE_TRIAL),
    Case("adl", ("2.0", "2.1"), {}, {}, ADL_TRIAL),
    Case(
        "hybrid",
        ("2.0", "2.1"),
        {
            "hybridConfig": {"trainingServicePlatforms": ["local", "remote", "aml", "pai"]},
            "localConfig": {"gpuIndices": "0"},
            "machineList": [MACHINE],
            "remoteConfig": {"reuse": True},
            "amlConfig": AML,
            "paiConfig": PAI,
        },
        {
            "hybrid_config": {"trainingServicePlatforms": ["local", "remote", "aml", "pai"]},
            "aml_config": AML,
            "remote_config": {"reuse": True},
            "machine_list": [MACHINE],
            "local_config": {"gpuIndices": "0"},
            "pai_config": PAI,
        },
        PAI_TRIAL,
    ),
    Case(
        "hybrid",
        ("2.0", "2.1"),
        {
            "hybridConfig": {"trainingServicePlatforms": ["remote", "local"]},
            "machineList": [MACHINE],
            "amlConfig": AML,
        },
        {
            "hybrid_config": {"trainingServicePlatforms": ["remote", "local"]},
            "machine_list": [MACHINE],
        },
        TRIAL,
    ),
)
EACH_CASE = pytest.mark.parametrize(
    ("case", "version"),
    [
        pytest.param(case, version, id=f"{case.platform}-{version}-{number}")
        for number, case in enumerate(CASES)
        for version in case.releases
    ],
)


def ordered(requests: StartRequests) -> list[list[str]]:
    """Return the keys of each body of metadata: the manager applies them one after another."""
    return [list(body) for body in requests.metadata]


@EACH_CASE
def test_each_platform_is_sent_in_the_order_of_the_manager(case: Case, version: str) -> None:
    expected = [case.first, ADDRESS, {"trial_config": case.trial}]

    requests = v1_requests(case.document, release_for(version))

    assert list(requests.metadata) == [body for body in expected if body]
    assert ordered(requests) == [list(body) for body in expected if body]


@EACH_CASE
def test_the_profile_of_each_platform_repeats_its_metadata(case: Case, version: str) -> None:
    metadata = {**case.first, "trial_config": case.trial}
    address = {"nniManagerIp": "10.0.0.9"} if version == "2.1" else {}

    requests = v1_requests(case.document, release_for(version))

    assert requests.profile == {
        **PROFILE,
        **address,
        "trainingServicePlatform": case.platform,
        "searchSpace": SPACE_TEXT,
        "clusterMetaData": [{"key": key, "value": value} for key, value in metadata.items()],
    }


LOCAL_CONFIG: Body = {"gpuIndices": "0,1", "maxTrialNumPerGpu": 2, "useActiveGpu": True}
LOCAL: Body = {**BASE, "trainingServicePlatform": "local", "trial": TRIAL}


@pytest.mark.parametrize("version", V1_RELEASES)
def test_a_local_experiment_sends_only_its_trial(version: str) -> None:
    """The local service does not use an address."""
    requests = v1_requests({**LOCAL, "nniManagerIp": "10.0.0.9"}, release_for(version))

    assert list(requests.metadata) == [{"trial_config": TRIAL}]


@pytest.mark.parametrize("version", V1_RELEASES)
def test_a_local_experiment_sends_its_gpus_first(version: str) -> None:
    requests = v1_requests({**LOCAL, "localConfig": LOCAL_CONFIG}, release_for(version))

    assert list(requests.metadata) == [{"local_config": LOCAL_CONFIG}, {"trial_config": TRIAL}]


LOCAL_ARCHIVES = {
    "1.8": [
        {"key": "codeDir", "value": "/code"},
        {"key": "command", "value": "python3 t.py"},
    ],
    "1.9": [
        {"key": "codeDir", "value": "/code"},
        {"key": "command", "value": "python3 t.py"},
    ],
    "2.0": [
        {"key": "codeDir", "value": "/code"},
        {"key": "command", "value": "python3 t.py"},
    ],
    "2.1": [
        {"key": "local_config", "value": LOCAL_CONFIG},
        {"key": "trial_config", "value": TRIAL},
    ],
}


@pytest.mark.parametrize("version", V1_RELEASES)
def test_a_local_profile_has_what_nnictl_of_the_release_reads(version: str) -> None:
    """From 2.1 on nnictl builds the config of a resume from it."""
    requests = v1_requests({**LOCAL, "localConfig": LOCAL_CONFIG}, release_for(version))

    assert requests.profile == {
        **PROFILE,
        "trainingServicePlatform": "local",
        "searchSpace": SPACE_TEXT,
        "clusterMetaData": LOCAL_ARCHIVES[version],
    }


STORAGE: Body = {
    "storageType": "NFS",
    "localMountPoint": "/a",
    "remoteMountPoint": "/b",
    "localMounted": "usermount",
    "nfsServer": "10.0.0.4",
    "exportedDirectory": "/exports",
}
STORAGES = {
    "1.9": [],
    "2.0": [],
    "2.1": [{"shared_storage_config": STORAGE}],
}


@pytest.mark.parametrize("version", STORAGES)
def test_shared_storage_comes_last(version: str) -> None:
    requests = v1_requests({**LOCAL, "sharedStorage": STORAGE}, release_for(version))

    assert list(requests.metadata) == [{"trial_config": TRIAL}, *STORAGES[version]]


SHELL: Body = {"preCommand": "conda activate x", "pythonPath": "/opt/bin"}
SHELLS: dict[str, Body] = {
    "1.8": {},
    "1.9": {"preCommand": "conda activate x"},
    "2.0": {"preCommand": "conda activate x"},
    "2.1": {"pythonPath": "/opt/bin"},
}


@pytest.mark.parametrize("version", SHELLS)
def test_a_machine_has_the_fields_that_the_release_knows(version: str) -> None:
    document = {
        **BASE,
        "trainingServicePlatform": "remote",
        "trial": TRIAL,
        "machineList": [{**MACHINE, **SHELL}],
    }

    requests = v1_requests(document, release_for(version))

    assert requests.metadata[0]["machine_list"] == [{**MACHINE, **SHELLS[version]}]


CLASS: Body = {"codeDir": "/code", "classFileName": "a.py", "className": "A"}
EXTRAS: Body = {"gpuIndices": 0, "includeIntermediateResults": True}
ALGORITHMS: dict[str, tuple[Body, Body]] = {
    "tuner": (
        {"tuner": {**CLASS, **EXTRAS, "classArgs": {"seed": None}}},
        {
            "tuner": {
                **CLASS,
                "classArgs": {"seed": None},
                "gpuIndices": "0",
                "includeIntermediateResults": True,
            }
        },
    ),
    "assessor": (
        {"tuner": {"builtinTunerName": "TPE"}, "assessor": {**CLASS, **EXTRAS}},
        {"tuner": {"builtinTunerName": "TPE"}, "assessor": CLASS},
    ),
    "advisor": (
        {"advisor": {"builtinAdvisorName": "BOHB", **EXTRAS}},
        {"advisor": {"builtinAdvisorName": "BOHB", "gpuIndices": "0"}},
    ),
}


@pytest.mark.parametrize("version", V1_RELEASES)
@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_has_the_fields_that_the_manager_takes(name: str, version: str) -> None:
    """The managers refuse keys that nnictl's own check accepts, and GPU numbers (1.9, live)."""
    given, expected = ALGORITHMS[name]
    document = {key: value for key, value in LOCAL.items() if key != "tuner"} | given

    requests = v1_requests(document, release_for(version))

    found = {key: requests.profile[key] for key in ALGORITHMS if key in requests.profile}
    assert found == expected


FIELDS: tuple[tuple[Body, Body], ...] = (
    ({"maxExecDuration": "999d"}, {"maxExecDuration": 86_313_600}),
    ({"maxExecDuration": "1.5h"}, {"maxExecDuration": 5400}),
    ({"maxExecDuration": 90}, {"maxExecDuration": 90}),
    ({"debug": True}, {"versionCheck": False}),
    ({"debug": True, "versionCheck": True}, {"versionCheck": True}),
    ({"debug": False, "versionCheck": False}, {"versionCheck": False}),
    ({"debug": None}, {"versionCheck": True}),
    ({"description": "what for"}, {"description": "what for"}),
    ({"description": ""}, {}),
    ({"description": None}, {}),
    ({"multiPhase": True, "multiThread": True}, {"multiPhase": True, "multiThread": True}),
    ({"logCollection": "http"}, {"logCollection": "http"}),
    ({"searchSpace": SPACE_TEXT}, {"searchSpace": SPACE_TEXT}),
    ({"searchSpace": None}, {"searchSpace": '""'}),
    ({"maxTrialDuration": "5m"}, {}),
)


@pytest.mark.parametrize("version", V1_RELEASES)
@pytest.mark.parametrize(("given", "expected"), FIELDS)
def test_a_field_is_written_as_the_manager_takes_it(
    given: Body, expected: Body, version: str
) -> None:
    plain = v1_requests(LOCAL, release_for(version)).profile

    requests = v1_requests({**LOCAL, **given}, release_for(version))

    assert requests.profile == {**plain, **expected}


def test_a_missing_search_space_is_sent_as_empty_json_text() -> None:
    """Empty text is refused: `"searchSpace" is not allowed to be empty` (1.8 to 2.1)."""
    document = {key: value for key, value in LOCAL.items() if key != "searchSpace"}

    requests = v1_requests(document, release_for("1.9"))

    assert requests.profile["searchSpace"] == '""'


def test_nulls_and_gpu_numbers_are_not_sent() -> None:
    """The managers refuse both (1.9, seen live); nnictl's conversion misses an index 0."""
    document = {
        **LOCAL,
        "localConfig": {"gpuIndices": 0, "useActiveGpu": None},
        "trial": {**TRIAL, "nasMode": None},
    }

    requests = v1_requests(document, release_for("1.9"))

    assert list(requests.metadata) == [
        {"local_config": {"gpuIndices": "0"}},
        {"trial_config": TRIAL},
    ]


def test_a_key_whose_loss_would_change_the_experiment_is_left_to_the_manager() -> None:
    document = {
        **BASE,
        "trainingServicePlatform": "kubeflow",
        "kubeflowConfig": {**KUBEFLOW, "namespace": "mine"},
        "trial": KUBEFLOW_TRIAL,
    }

    requests = v1_requests(document, release_for("1.9"))

    assert requests.metadata[0] == {"kubeflow_config": {**KUBEFLOW, "namespace": "mine"}}


@dataclass(frozen=True)
class LegacyCase:
    """A Kubernetes platform in the requests for a manager that takes v2."""

    version: str
    document: Body
    metadata: list[Body]
    profile: Body


LEGACY_PROFILE: Body = {
    **PROFILE,
    "maxExperimentDuration": "3600s",
    "maxTrialNumber": 10,
    "searchSpace": SPACE,
}
LEGACY_CASES = (
    LegacyCase(
        "2.2",
        {
            "trainingServicePlatform": "kubeflow",
            "kubeflowConfig": {**KUBEFLOW, "reuse": False},
            "trial": KUBEFLOW_TRIAL,
            "maxTrialDuration": "5m",
        },
        [
            {"kubeflow_config": KUBEFLOW},
            {"version_check": True},
            {"trial_config": KUBEFLOW_TRIAL},
        ],
        {
            "trainingServicePlatform": "kubeflow",
            "trainingService": {"platform": "kubeflow"},
            "clusterMetaData": [
                {"key": "kubeflow_config", "value": KUBEFLOW},
                {"key": "trial_config", "value": KUBEFLOW_TRIAL},
            ],
        },
    ),
    LegacyCase(
        "2.3",
        {
            "trainingServicePlatform": "frameworkcontroller",
            "frameworkcontrollerConfig": {
                **CONTROLLER,
                "namespace": "mine",
                "configPath": "/fc.yml",
                "reuse": False,
            },
            "trial": CONTROLLER_TRIAL,
            "nniManagerIp": "10.0.0.9",
            "logCollection": "http",
            "debug": True,
        },
        [
            {
                "frameworkcontroller_config": {
                    **CONTROLLER,
                    "namespace": "mine",
                    "configPath": "/fc.yml",
                }
            },
            {"version_check": False},
            {"log_collection": "http"},
            ADDRESS,
            {"trial_config": CONTROLLER_TRIAL},
        ],
        {
            "trainingServicePlatform": "frameworkcontroller",
            "trainingService": {"platform": "frameworkcontroller"},
            "nniManagerIp": "10.0.0.9",
            "logCollection": "http",
            "versionCheck": False,
            "clusterMetaData": [
                {
                    "key": "frameworkcontroller_config",
                    "value": {**CONTROLLER, "namespace": "mine", "configPath": "/fc.yml"},
                },
                {"key": "trial_config", "value": CONTROLLER_TRIAL},
            ],
        },
    ),
    LegacyCase(
        "2.5",
        {
            "trainingServicePlatform": "kubeflow",
            "kubeflowConfig": {**KUBEFLOW, "reuse": False},
            "trial": KUBEFLOW_TRIAL,
            "maxTrialDuration": "5m",
            "sharedStorage": STORAGE,
        },
        [
            {"kubeflow_config": {**KUBEFLOW, "reuse": False}},
            {"version_check": True},
            {"trial_config": KUBEFLOW_TRIAL},
            {"shared_storage_config": STORAGE},
        ],
        {
            "trainingServicePlatform": "kubeflow",
            "trainingService": {"platform": "kubeflow"},
            "maxTrialDuration": "300s",
            "clusterMetaData": [
                {"key": "kubeflow_config", "value": {**KUBEFLOW, "reuse": False}},
                {"key": "trial_config", "value": KUBEFLOW_TRIAL},
                {"key": "shared_storage_config", "value": STORAGE},
            ],
        },
    ),
    LegacyCase(
        "2.10.1",
        {"trainingServicePlatform": "adl", "trial": ADL_TRIAL},
        [{"adl_config": {}}, {"version_check": True}, {"trial_config": ADL_TRIAL}],
        {
            "trainingServicePlatform": "adl",
            "trainingService": {"platform": "adl"},
            "clusterMetaData": [
                {"key": "adl_config", "value": {}},
                {"key": "trial_config", "value": ADL_TRIAL},
            ],
        },
    ),
    LegacyCase(
        "3.0",
        {
            "trainingServicePlatform": "frameworkcontroller",
            "frameworkcontrollerConfig": {**CONTROLLER, "reuse": False},
            "trial": CONTROLLER_TRIAL,
        },
        [
            {"frameworkcontroller_config": {**CONTROLLER, "reuse": False}},
            {"version_check": True},
            {"trial_config": CONTROLLER_TRIAL},
        ],
        {
            "trainingServicePlatform": "frameworkcontroller",
            "trainingService": {"platform": "frameworkcontroller"},
            "clusterMetaData": [
                {
                    "key": "frameworkcontroller_config",
                    "value": {**CONTROLLER, "reuse": False},
                },
                {"key": "trial_config", "value": CONTROLLER_TRIAL},
            ],
        },
    ),
)


@pytest.mark.parametrize("case", LEGACY_CASES, ids=lambda case: case.version)
def test_later_managers_get_kubernetes_under_names_of_both_formats(case: LegacyCase) -> None:
    """The first key creates the service, so it must come first (2.2 to 3.0)."""
    requests = legacy_requests({**BASE, **case.document}, release_for(case.version))

    assert list(requests.metadata) == case.metadata
    assert requests.profile == {**LEGACY_PROFILE, **case.profile}


def test_a_later_manager_gets_an_empty_search_space_for_a_tuner_that_has_none() -> None:
    document = {**BASE, **LEGACY_CASES[0].document, "searchSpace": None}

    requests = legacy_requests(document, release_for("2.2"))

    assert requests.profile["searchSpace"] == {}


def archive(**values: Any) -> list[Body]:
    return [{"key": key, "value": value} for key, value in values.items()]


STORED: dict[str, tuple[Body, list[Body]]] = {
    "local": (
        {
            "trainingServicePlatform": "local",
            "nniManagerIp": "10.0.0.9",
            "clusterMetaData": archive(local_config=LOCAL_CONFIG, trial_config=TRIAL),
        },
        [{"local_config": LOCAL_CONFIG}, {"trial_config": TRIAL}],
    ),
    "remote, as nnictl keeps it": (
        {
            "trainingServicePlatform": "remote",
            "nniManagerIp": "10.0.0.9",
            "clusterMetaData": archive(
                machine_list=[MACHINE], trial_config=TRIAL, remote_config={"reuse": True}
            ),
        },
        [
            {"remote_config": {"reuse": True}, "machine_list": [MACHINE]},
            ADDRESS,
            {"trial_config": TRIAL},
        ],
    ),
    "hybrid, as nnictl keeps it": (
        {
            "trainingServicePlatform": "hybrid",
            "clusterMetaData": archive(
                aml_config=AML,
                local_config=None,
                hybrid_config={"trainingServicePlatforms": ["aml", "local"]},
                trial_config=IMAGE_TRIAL,
            ),
        },
        [
            {
                "hybrid_config": {"trainingServicePlatforms": ["aml", "local"]},
                "aml_config": AML,
            },
            {"trial_config": IMAGE_TRIAL},
        ],
    ),
    "shared storage": (
        {
            "trainingServicePlatform": "aml",
            "clusterMetaData": archive(
                aml_config=AML, trial_config=IMAGE_TRIAL, shared_storage_config=STORAGE
            ),
        },
        [
            {"aml_config": AML},
            {"trial_config": IMAGE_TRIAL},
            {"shared_storage_config": STORAGE},
        ],
    ),
    "dlts, of which nnictl keeps nothing": (
        {"trainingServicePlatform": "dlts", "clusterMetaData": []},
        [],
    ),
}
# The manager adds the directory of the tuner's checkpoints itself, and accepts it again.
STORED_PARAMS: Body = {
    **PROFILE,
    "searchSpace": SPACE_TEXT,
    "tuner": {**PROFILE["tuner"], "checkpointDir": "/home/me/nni-experiments/a/checkpoint"},
}


@pytest.mark.parametrize("name", STORED)
def test_a_resume_sends_what_the_profile_has(name: str) -> None:
    given, expected = STORED[name]
    params = {**STORED_PARAMS, **given}

    requests = stored_requests(params)

    assert list(requests.metadata) == expected
    assert ordered(requests) == [list(body) for body in expected]
    assert requests.profile == params


@pytest.mark.parametrize("case", [case for case in CASES if "2.1" in case.releases])
def test_a_resume_sends_what_the_start_sent(case: Case) -> None:
    started = v1_requests(case.document, release_for("2.1"))

    resumed = stored_requests(json.loads(json.dumps(started.profile)))

    assert resumed == started
    assert ordered(resumed) == ordered(started)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform)
def test_a_config_is_not_changed(case: Case) -> None:
    document = case.document
    before = deepcopy(document)

    requests = v1_requests(document, release_for(case.releases[-1]))
    _spoil(requests)

    assert document == before


@pytest.mark.parametrize("case", LEGACY_CASES, ids=lambda case: case.version)
def test_a_legacy_config_is_not_changed(case: LegacyCase) -> None:
    document = deepcopy({**BASE, **case.document})
    before = deepcopy(document)

    _spoil(legacy_requests(document, release_for(case.version)))

    assert document == before


@pytest.mark.parametrize("name", STORED)
def test_a_stored_profile_is_not_changed(name: str) -> None:
    params = deepcopy({**STORED_PARAMS, **STORED[name][0]})
    before = deepcopy(params)

    _spoil(stored_requests(params))

    assert params == before


def test_the_defaults_of_a_release_are_not_shared_between_requests() -> None:
    case = CASES[1]

    _spoil(v1_requests(case.document, release_for("1.9")))

    assert v1_requests(case.document, release_for("1.9")).metadata[0] == case.first


def _spoil(requests: StartRequests) -> None:
    """Change every mapping in the bodies, as a careless caller might."""
    pending: list[Any] = [*requests.metadata, requests.profile]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += value.values()
            value["spoilt"] = True
        elif isinstance(value, list):
            pending += value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.platform)
def test_the_repr_of_requests_does_not_show_their_content(case: Case) -> None:
    """They hold passwords and tokens, and end up in tracebacks."""
    requests = v1_requests(case.document, release_for(case.releases[-1]))

    assert repr(requests) == (
        f"StartRequests({len(requests.metadata)} of metadata, {len(requests.profile)} fields)"
    )
    assert "hush" not in f"{requests} {requests!r} {[requests]}"
