"""The bodies by which a config in the v1 format is handed over, each written out."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from nnicli.config.requests import legacy_requests, stored_requests, v1_requests

SPACE = {"x": {"_type": "choice", "_value": [1, 2]}}
TRIAL = {"command": "python3 trial.py", "codeDir": "/code", "gpuNum": 0}
TUNER = {"builtinTunerName": "TPE", "gpuIndices": "0"}
MACHINES = [{"ip": "h", "port": 22, "username": "u", "passwd": "hush", "gpuIndices": "0,1"}]
ADDRESS = {"nni_manager_ip": {"nniManagerIp": "10.0.0.9"}}
STORAGE = {"storageType": "NFS", "nfsServer": "h"}
HYBRID = {"trainingServicePlatforms": ["local", "remote", "pai", "aml"]}
PAI = {"userName": "u", "host": "h", "token": "hush"}
AML = {"subscriptionId": "s", "resourceGroup": "g", "workspaceName": "w", "computeTarget": "c"}
KUBEFLOW = {"operator": "tf-operator", "apiVersion": "v1", "nfs": {"server": "h", "path": "/p"}}
CONTROLLER = {"storage": "nfs", "serviceAccountName": "a", "nfs": {"server": "h", "path": "/p"}}


def _config(platform: str, **sections: Any) -> dict[str, Any]:
    return {
        "authorName": "me",
        "experimentName": "mnist",
        "trialConcurrency": 2,
        "maxExecDuration": "1.5h",
        "maxTrialNum": 10,
        "trainingServicePlatform": platform,
        "useAnnotation": False,
        "debug": True,
        "versionCheck": False,
        "logLevel": "debug",
        "logDir": "/experiments",
        "searchSpace": SPACE,
        "tuner": TUNER,
        "trial": TRIAL,
        **sections,
    }


@pytest.mark.parametrize(
    ("platform", "version", "sections", "first"),
    [
        ("local", "1.9", {}, {}),
        (
            "local",
            "1.9",
            {"localConfig": {"gpuIndices": "0"}},
            {"local_config": {"gpuIndices": "0"}},
        ),
        ("remote", "1.8", {"machineList": MACHINES}, {"machine_list": MACHINES}),
        (
            "remote",
            "1.9",
            {"machineList": MACHINES},
            {"remote_config": {"reuse": False}, "machine_list": MACHINES},
        ),
        (
            "remote",
            "2.1",
            {"machineList": MACHINES, "remoteConfig": {"reuse": True}},
            {"remote_config": {"reuse": True}, "machine_list": MACHINES},
        ),
        ("pai", "1.9", {"paiConfig": PAI}, {"pai_config": PAI}),
        ("paiYarn", "2.0", {"paiYarnConfig": PAI}, {"pai_yarn_config": PAI}),
        ("kubeflow", "1.8", {"kubeflowConfig": KUBEFLOW}, {"kubeflow_config": KUBEFLOW}),
        (
            "frameworkcontroller",
            "2.1",
            {"frameworkcontrollerConfig": CONTROLLER},
            {"frameworkcontroller_config": CONTROLLER},
        ),
        (
            "dlts",
            "1.9",
            {"dltsConfig": {"dashboard": "d"}},
            {"dlts_config": {"dashboard": "d"}},
        ),
        ("aml", "1.9", {"amlConfig": AML}, {"aml_config": AML}),
        ("adl", "2.1", {}, {}),
        (
            "hybrid",
            "2.0",
            {
                "hybridConfig": HYBRID,
                "localConfig": {"gpuIndices": "0"},
                "machineList": MACHINES,
                "paiConfig": PAI,
                "amlConfig": AML,
            },
            {
                "hybrid_config": HYBRID,
                "aml_config": AML,
                "machine_list": MACHINES,
                "local_config": {"gpuIndices": "0"},
                "pai_config": PAI,
            },
        ),
    ],
)
def test_each_platform_is_told_before_the_trial(
    platform: str, version: str, sections: dict[str, Any], first: dict[str, Any]
) -> None:
    requests = v1_requests(_config(platform, **sections), version)

    expected = [first, {"trial_config": TRIAL}] if first else [{"trial_config": TRIAL}]
    assert list(requests.metadata) == expected
    assert [list(body) for body in requests.metadata] == [list(body) for body in expected]


def test_the_address_comes_between_but_not_for_local() -> None:
    remote = v1_requests(_config("remote", machineList=MACHINES, nniManagerIp="10.0.0.9"), "1.9")
    local = v1_requests(_config("local", nniManagerIp="10.0.0.9"), "1.9")

    assert remote.metadata[1:] == (ADDRESS, {"trial_config": TRIAL})
    assert local.metadata == ({"trial_config": TRIAL},)


@pytest.mark.parametrize(("version", "told"), [("2.0", False), ("2.1", True)])
def test_shared_storage_comes_last_from_2_1_on(version: str, told: bool) -> None:
    requests = v1_requests(_config("local", sharedStorage=STORAGE), version)

    assert (requests.metadata[-1] == {"shared_storage_config": STORAGE}) is told


def test_the_profile_of_1_9() -> None:
    config = _config(
        "local",
        description="d",
        multiThread=True,
        logCollection="http",
        nniManagerIp="10.0.0.9",
        assessor={"builtinAssessorName": "Medianstop", "gpuIndices": "0"},
    )

    profile = v1_requests(config, "1.9").profile

    assert profile == {
        "authorName": "me",
        "experimentName": "mnist",
        "description": "d",
        "trialConcurrency": 2,
        "maxExecDuration": 5400,
        "maxTrialNum": 10,
        "searchSpace": json.dumps(SPACE),
        "trainingServicePlatform": "local",
        "multiThread": True,
        "versionCheck": False,
        "logCollection": "http",
        "tuner": TUNER,
        # Its own check knows no GPUs there.
        "assessor": {"builtinAssessorName": "Medianstop"},
        "clusterMetaData": [
            {"key": "codeDir", "value": "/code"},
            {"key": "command", "value": "python3 trial.py"},
        ],
    }


def test_from_2_1_on_the_profile_repeats_what_was_told() -> None:
    config = _config("remote", machineList=MACHINES, nniManagerIp="10.0.0.9")

    profile = v1_requests(config, "2.1").profile

    assert profile["nniManagerIp"] == "10.0.0.9"
    assert profile["clusterMetaData"] == [
        {"key": "remote_config", "value": {"reuse": False}},
        {"key": "machine_list", "value": MACHINES},
        {"key": "trial_config", "value": TRIAL},
    ]


def test_without_a_search_space_its_text_is_empty() -> None:
    config = _config("local")
    del config["searchSpace"]

    assert v1_requests(config, "1.9").profile["searchSpace"] == ""


def test_the_long_way_of_kubernetes_from_2_2_on() -> None:
    config = _config(
        "kubeflow",
        kubeflowConfig=KUBEFLOW,
        nniManagerIp="10.0.0.9",
        logCollection="http",
        maxTrialDuration="1h",
    )

    requests = legacy_requests(config, "2.4")

    assert requests.metadata == (
        {"kubeflow_config": KUBEFLOW},
        {"version_check": False},
        {"log_collection": "http"},
        ADDRESS,
        {"trial_config": TRIAL},
    )
    assert requests.profile["maxExecDuration"] == 5400
    assert requests.profile["maxExperimentDuration"] == "5400s"
    assert requests.profile["maxTrialNum"] == requests.profile["maxTrialNumber"] == 10
    assert requests.profile["maxTrialDuration"] == "3600s"
    assert requests.profile["searchSpace"] == SPACE
    assert requests.profile["trainingServicePlatform"] == "kubeflow"
    assert requests.profile["trainingService"] == {"platform": "kubeflow"}


def test_adl_announces_itself_from_2_2_on() -> None:
    requests = legacy_requests(_config("adl"), "2.5")

    assert requests.metadata[0] == {"adl_config": {}}


@pytest.mark.parametrize("platform", ["local", "remote"])
def test_a_resume_on_2_1_tells_again_what_the_database_keeps(platform: str) -> None:
    """As nnictl archives it there, the machines stand before what they need."""
    config = _config(platform, machineList=MACHINES, nniManagerIp="10.0.0.9")
    started = v1_requests(config, "2.1")
    params = copy.deepcopy(started.profile)
    params["clusterMetaData"].reverse()
    params["tuner"]["checkpointDir"] = "/experiments/x/checkpoint"

    resumed = stored_requests(params)

    assert resumed.metadata == started.metadata
    assert [list(body) for body in resumed.metadata] == [list(body) for body in started.metadata]
    assert resumed.profile["tuner"] == TUNER


def test_nothing_of_it_is_shown_or_changed() -> None:
    config = _config("remote", machineList=MACHINES)
    before = copy.deepcopy(config)

    requests = v1_requests(config, "1.9")

    assert "hush" not in repr(requests)
    assert config == before
