"""A valid config of every training service, in both formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

K8S = {"storageType": "nfs", "server": "10.0.0.1", "path": "/export"}
ROLE = {"replicas": 1, "command": "python3 t.py", "cpuNumber": 1, "memorySize": "8gb"}
LOCAL = {"platform": "local"}
SERVICES: dict[str, dict[str, Any]] = {
    "openpai": {
        "host": "pai.example.org",
        "username": "me",
        "token": "hush",
        "trialCpuNumber": 1,
        "trialMemorySize": "8gb",
        "storageConfigName": "team",
        "localStorageMountPoint": "mount",
        "containerStorageMountPoint": "/mnt",
    },
    "aml": {
        "subscriptionId": "s",
        "resourceGroup": "r",
        "workspaceName": "w",
        "computeTarget": "c",
    },
    "dlc": {
        "image": "i",
        "podCount": 1,
        "ecsSpec": "ecs.c6.large",
        "region": "cn-hangzhou",
        "workspaceId": "w",
        "nasDataSourceId": "n",
        "accessKeyId": "k",
        "accessKeySecret": "hush",
        "localStorageMountPoint": "/a",
        "containerStorageMountPoint": "/b",
    },
    "kubeflow": {
        "operator": "tf-operator",
        "apiVersion": "v1",
        "storage": K8S,
        "worker": {**ROLE, "codeDirectory": "."},
    },
    "frameworkcontroller": {
        "storage": K8S,
        "taskRoles": [
            {
                "name": "worker",
                "taskNumber": 1,
                "command": "python3 t.py",
                "gpuNumber": 0,
                "cpuNumber": 1,
                "memorySize": 1024,
                "frameworkAttemptCompletionPolicy": {
                    "minFailedTaskCount": 1,
                    "minSucceedTaskCount": -1,
                },
            }
        ],
    },
    "adl": {},
}
# The newest release that takes each; 3.0 takes the others.
V2_RELEASES = {"openpai": "2.10.1", "aml": "2.10.1", "dlc": "2.10.1", "adl": "2.5"}
V1_TRIAL = {"command": "python3 t.py", "codeDir": ".", "gpuNum": 0}
V1_STORAGE = {"storage": "nfs", "nfs": {"server": "10.0.0.1", "path": "/export"}}
V1_ROLE = {
    "command": "python3 t.py",
    "gpuNum": 0,
    "cpuNum": 1,
    "memoryMB": 1024,
    "image": "msranni/nni",
}
V1_MACHINE = {"ip": "10.0.0.1", "username": "me", "passwd": "hush"}
V1_PAI = {"userName": "me", "token": "hush", "host": "pai.example.org"}
V1_AML = {"subscriptionId": "s", "resourceGroup": "r", "workspaceName": "w", "computeTarget": "c"}
# Platform -> what it has beside the common fields.
V1_SECTIONS: dict[str, dict[str, Any]] = {
    "local": {},
    "remote": {"machineList": [V1_MACHINE], "remoteConfig": {"reuse": True}},
    "pai": {
        "trial": {
            **V1_TRIAL,
            "cpuNum": 1,
            "memoryMB": 1024,
            "image": "msranni/nni",
            "nniManagerNFSMountPath": "mount",
            "containerNFSMountPath": "/mnt",
            "paiStorageConfigName": "team",
        },
        "paiConfig": V1_PAI,
    },
    "paiYarn": {
        "trial": {**V1_TRIAL, "cpuNum": 1, "memoryMB": 1024, "image": "msranni/nni"},
        "paiYarnConfig": V1_PAI,
    },
    "aml": {"trial": {**V1_TRIAL, "image": "msranni/nni"}, "amlConfig": V1_AML},
    "dlts": {
        "trial": {**V1_TRIAL, "image": "msranni/nni"},
        "dltsConfig": {"dashboard": "http://dlts.example.org"},
    },
    "adl": {"trial": {**V1_TRIAL, "image": "msranni/nni"}},
    "kubeflow": {
        "trial": {"codeDir": ".", "worker": {**V1_ROLE, "replicas": 1}},
        "kubeflowConfig": {"operator": "tf-operator", "apiVersion": "v1", **V1_STORAGE},
    },
    "frameworkcontroller": {
        "trial": {
            "codeDir": ".",
            "taskRoles": [
                {
                    **V1_ROLE,
                    "name": "worker",
                    "taskNum": 1,
                    "frameworkAttemptCompletionPolicy": {
                        "minFailedTaskCount": 1,
                        "minSucceededTaskCount": 1,
                    },
                }
            ],
        },
        "frameworkcontrollerConfig": V1_STORAGE,
    },
    "hybrid": {
        "hybridConfig": {"trainingServicePlatforms": ["local", "remote"]},
        "machineList": [V1_MACHINE],
    },
}
V1_RELEASES = {"paiYarn": "2.0", "dlts": "2.1", "adl": "2.5", "hybrid": "2.1"}


def v2_config(service: Any) -> dict[str, Any]:
    """Return a config in the v2 format with that training service."""
    return {
        "trialConcurrency": 1,
        "trialCommand": "python3 t.py",
        "trialGpuNumber": 0,
        "searchSpace": {"x": {"_type": "uniform", "_value": [0, 1]}},
        "tuner": {"name": "Random"},
        "trainingService": service,
    }


def v1_config(platform: str) -> dict[str, Any]:
    """Return a config in the v1 format for that platform."""
    return {
        "authorName": "me",
        "experimentName": "x",
        "trialConcurrency": 1,
        "maxExecDuration": "1h",
        "maxTrialNum": 10,
        "trainingServicePlatform": platform,
        "searchSpacePath": "space.json",
        "useAnnotation": False,
        "tuner": {"builtinTunerName": "TPE", "classArgs": {"optimize_mode": "maximize"}},
        "trial": V1_TRIAL,
        **V1_SECTIONS[platform],
    }


def make_files(folder: Path) -> None:
    """Make what these configs refer to."""
    (folder / "mount").mkdir()
    (folder / "space.json").write_text('{"x": {"_type": "uniform", "_value": [0, 1]}}')
