"""Configs in the v1 format: what is wrong with them, and what each release makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nnicli.config import check_config, load_config
from nnicli.errors import ConfigError
from tests.unit.config.conftest import HEAD, SPACE, Check, WriteConfig

SPACE_TEXT = '{"x": {"_type": "uniform", "_value": [0, 1]}}'
V1 = """\
authorName: me
experimentName: mnist
trialConcurrency: 2
maxExecDuration: 1h
maxTrialNum: 10
trainingServicePlatform: local
searchSpacePath: space.json
useAnnotation: false
tuner: {builtinTunerName: TPE, classArgs: {optimize_mode: maximize}}
trial: {command: python3 trial.py, codeDir: ., gpuNum: 0}
"""
STORAGE = """\
sharedStorage:
  {storageType: NFS, localMountPoint: /a, remoteMountPoint: /b, localMounted: usermount,
   nfsServer: h, exportedDirectory: /c}
"""
ANNOTATED = "".join(
    line for line in V1.splitlines(keepends=True) if "searchSpacePath" not in line
).replace("useAnnotation: false", "useAnnotation: true")
REMOTE = (
    V1.replace("Platform: local", "Platform: remote")
    + "machineList:\n- {ip: 10.0.0.1, username: me, passwd: hush}\nnniManagerIp: 10.0.0.9\n"
)


@pytest.fixture(autouse=True)
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.json"
    path.write_text(SPACE_TEXT)
    return path


@pytest.mark.parametrize("version", ["1.8", "1.9", "2.0", "2.1", "2.2", "2.5", "2.10.1", "3.0"])
@pytest.mark.parametrize("text", [V1, REMOTE], ids=["local", "remote"])
def test_a_valid_config_is_accepted_by_every_release(check: Check, text: str, version: str) -> None:
    assert check(text, nni_version=version) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("authorName: me\n", "", "1:1: authorName: is required but missing"),
        (": 2\n", ": 0\n", "3:1: trialConcurrency: found 0; allowed: at least 1"),
        (": 2\n", ": true\n", "3:1: trialConcurrency: found true; allowed: an integer"),
        (
            "maxTrialNum: 10",
            "maxTrialNumber: 10",
            "5:1: maxTrialNumber: unknown key (did you mean 'maxTrialNum'?)",
        ),
        ("1h", "soon", '4:1: maxExecDuration: found "soon"; allowed: '),
        (
            "builtinTunerName: TPE",
            "builtinTunerName: TP",
            '9:9: tuner.builtinTunerName: found "TP"; allowed: TPE, Random',
        ),
        (
            "optimize_mode: maximize",
            "optimize_mode: max",
            '9:44: tuner.classArgs.optimize_mode: found "max"; allowed: maximize, minimize',
        ),
        (
            "codeDir: .",
            "codeDir: nosuch",
            "10:36: trial.codeDir: directory not found: ",
        ),
        ("command: python3 trial.py, ", "", "10:1: trial.command: is required but missing"),
        ("gpuNum: 0", "gpuNumber: 0", "10:48: trial.gpuNumber: unknown key; allowed: "),
        ("space.json", "none.json", "7:1: searchSpacePath: "),
        ("searchSpacePath: space.json\n", "", "1:1: searchSpacePath: is required but missing"),
        ("1h", "1.5h", '4:1: maxExecDuration: found "1.5h"; allowed: a whole number with a unit'),
        (
            "{builtinTunerName: TPE, classArgs: {optimize_mode: maximize}}",
            "{}",
            "9:1: tuner.builtinTunerName: is required but missing; give a built-in name, or ",
        ),
        (
            "{builtinTunerName: TPE,",
            "{gpuIndices: '0,0', builtinTunerName: TPE,",
            '9:9: tuner.gpuIndices: found "0,0"; allowed: each GPU once',
        ),
        (
            "useAnnotation: false",
            "machineList: [{ip: a, username: b, passwd: c}]",
            "8:1: machineList: is not a section of trainingServicePlatform: local; leave it out",
        ),
        (
            "useAnnotation: false",
            "advisor: {builtinAdvisorName: BOHB}",
            "9:1: tuner: tuner and advisor exclude each other",
        ),
        (
            "{builtinTunerName: TPE,",
            "{className: A, builtinTunerName: TPE,",
            "9:9: tuner.className: className and builtinTunerName exclude each other",
        ),
        (
            "{builtinTunerName: TPE,",
            "{className: A, codeDir: ., classFileName: none.py,",
            "9:35: tuner.classFileName: file not found: ",
        ),
    ],
)
def test_an_invalid_field_is_reported_with_its_place(
    check: Check, old: str, new: str, expected: str
) -> None:
    text = V1.replace(old, new, 1)
    assert text != V1
    # Some of them take its line.
    text += "" if "useAnnotation" in text else "useAnnotation: false\n"

    found = check(text, nni_version="1.9")

    assert len(found) == 1
    assert found[0].startswith(f"config.yml:{expected}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("passwd: hush, sshKeyPath: key", "sshKeyPath: passwd and sshKeyPath exclude"),
        ("port: 22", "passwd: is required but missing; give it, or sshKeyPath"),
        ("sshKeyPath: none", "sshKeyPath: file not found: "),
        (
            "passwd: hush, pythonPath: /x",
            "pythonPath: is not available in this release; allowed: pre",
        ),
        ("passwd: hush, passphrase: hush", "passphrase: is only for sshKeyPath"),
        ("passwd: hush, gpuIndices: '0,x'", 'gpuIndices: found "0,x"; allowed: GPUs that'),
    ],
)
def test_an_invalid_machine_is_reported_without_its_password(
    check: Check, tmp_path: Path, change: str, expected: str
) -> None:
    (tmp_path / "key").write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    (tmp_path / "key").chmod(0o600)

    found = check(REMOTE.replace("passwd: hush", change), nni_version="1.9")

    assert len(found) == 1
    assert f": machineList[0].{expected}" in found[0]
    assert "hush" not in found[0]


@pytest.mark.parametrize("version", ["1.9", "2.10.1"])
def test_annotations_are_valid_in_releases_with_them_but_cannot_be_started(
    write_config: WriteConfig, version: str
) -> None:
    config = write_config(ANNOTATED)

    (problem,) = check_config(config, nni_version=version)
    with pytest.raises(ConfigError, match=r"7:1: useAnnotation: .* Write a search space"):
        load_config(config, nni_version=version)

    assert problem.severity == "warning"


def test_annotations_are_an_error_in_releases_without_them(check: Check) -> None:
    found = check(ANNOTATED, nni_version="3.0")

    assert len(found) == 1
    assert "useAnnotation: found true; this release no longer has annotations" in found[0]


@pytest.mark.parametrize(
    ("platform", "version"), [("hybrid", "1.9"), ("paiYarn", "2.1"), ("adl", "1.8")]
)
def test_a_platform_that_the_release_does_not_have_is_an_error(
    check: Check, platform: str, version: str
) -> None:
    found = check(V1.replace("Platform: local", f"Platform: {platform}"), nni_version=version)

    assert any(f"found {platform}, not available in this release" in problem for problem in found)


@pytest.mark.parametrize(("version", "number"), [("1.9", 1), ("2.10.1", 1), ("3.0", 0)])
def test_a_space_in_the_path_of_the_code_is_an_error_before_3_0(
    tmp_path: Path, version: str, number: int
) -> None:
    """Their script says `cd $NNI_CODE_DIR` without quotes, so every trial would fail."""
    (tmp_path / "my code").mkdir()
    config = {**yaml.safe_load(V1), "trial": {"command": "x", "codeDir": "my code"}}

    found = check_config(config, base_path=tmp_path, nni_version=version)

    assert len(found) == number
    assert all("has a space in it" in problem.message for problem in found)


def test_the_canonical_form_has_absolute_paths_and_every_default(tmp_path: Path) -> None:
    config = {**yaml.safe_load(REMOTE), "debug": True}
    config["tuner"]["gpuIndices"] = 0
    del config["maxExecDuration"], config["maxTrialNum"]

    loaded = load_config(config, base_path=tmp_path, nni_version="1.9")

    assert loaded.format == "v1"
    assert loaded.document == {
        "authorName": "me",
        "experimentName": "mnist",
        "trialConcurrency": 2,
        "nniManagerIp": "10.0.0.9",
        "maxExecDuration": "999d",
        "maxTrialNum": 99_999,
        "trainingServicePlatform": "remote",
        "useAnnotation": False,
        "debug": True,
        "versionCheck": False,
        "logLevel": "debug",
        "logDir": str(Path.home() / "nni-experiments"),
        "trial": {"command": "python3 trial.py", "codeDir": str(tmp_path), "gpuNum": 0},
        "searchSpace": json.loads(SPACE_TEXT),
        "tuner": {
            "builtinTunerName": "TPE",
            "classArgs": {"optimize_mode": "maximize"},
            "gpuIndices": "0",
        },
        "machineList": [{"port": 22, "ip": "10.0.0.1", "username": "me", "passwd": "hush"}],
    }
    assert (loaded.name, loaded.platform, loaded.log_level) == ("mnist", "remote", "debug")
    assert loaded.experiments_directory == Path.home() / "nni-experiments"


def _changed(text: str, **changes: Any) -> dict[str, Any]:
    return {**yaml.safe_load(text), **changes}


def test_a_v1_config_is_converted_for_a_manager_that_takes_v2(tmp_path: Path) -> None:
    config = _changed(V1, localConfig={"gpuIndices": "0,1"}, nniManagerIp="10.0.0.9")
    config["trial"]["gpuNum"] = 1

    loaded = load_config(config, base_path=tmp_path, nni_version="3.0")

    assert loaded.format == "v2"
    document = loaded.document
    assert document["maxExperimentDuration"] == "1h"
    assert document["maxTrialNumber"] == 10
    assert document["searchSpace"] == json.loads(SPACE_TEXT)
    assert document["tuner"] == {"name": "TPE", "classArgs": {"optimize_mode": "maximize"}}
    assert document["trainingService"] == {
        "platform": "local",
        "gpuIndices": [0, 1],
        # v1's own default; v2 does not have one.
        "useActiveGpu": False,
        "maxTrialNumberPerGpu": 1,
        "reuseMode": False,
        "trialCommand": "python3 trial.py",
        "trialCodeDirectory": str(tmp_path),
        "trialGpuNumber": 1,
        "debug": False,
    }


def test_the_passphrase_is_kept_although_nni_itself_loses_it(tmp_path: Path) -> None:
    """NNI 2.6 to 3.0 leave it under its v1 name, and then refuse the config."""
    key = tmp_path / "id"
    key.touch()
    machine = {"ip": "h", "username": "u", "sshKeyPath": "id", "passphrase": "hush"}

    loaded = load_config(
        _changed(REMOTE, machineList=[machine]), base_path=tmp_path, nni_version="3.0"
    )

    (converted,) = loaded.document["trainingService"]["machineList"]
    assert converted == {
        "host": "h",
        "port": 22,
        "user": "u",
        "sshKeyFile": str(key),
        "sshPassphrase": "hush",
        "useActiveGpu": False,
        "maxTrialNumberPerGpu": 1,
    }
    assert loaded.document["trainingService"]["reuseMode"] is False


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"trial": {"command": "x", "codeDir": ".", "nasMode": "enas_mode"}}, "trial.nasMode"),
        ({"multiPhase": True}, "multiPhase"),
    ],
)
def test_what_the_v2_format_cannot_express_is_an_error(
    tmp_path: Path, changes: dict[str, Any], location: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_changed(V1, **changes), base_path=tmp_path, nni_version="3.0")

    assert [problem.location for problem in caught.value.problems] == [location]


@pytest.mark.parametrize("version", ["1.8", "1.9", "2.0", "2.1"])
def test_a_v2_config_is_converted_for_a_manager_that_takes_v1(
    write_config: WriteConfig, tmp_path: Path, version: str
) -> None:
    config = write_config(HEAD + SPACE + "maxExperimentDuration: 1.5h\ntunerGpuIndices: [0, 1]\n")

    loaded = load_config(config, nni_version=version)

    assert loaded.format == "v1"
    assert loaded.document == {
        "authorName": "nnicli",
        "experimentName": "nnicli",
        "trialConcurrency": 1,
        "maxExecDuration": "5400s",
        "maxTrialNum": 99_999,
        "trainingServicePlatform": "local",
        "useAnnotation": False,
        "debug": False,
        "versionCheck": True,
        "logLevel": "info",
        "logDir": str(Path.home() / "nni-experiments"),
        "trial": {"command": "python3 trial.py", "codeDir": str(tmp_path), "gpuNum": 0},
        "searchSpace": json.loads(SPACE_TEXT),
        "tuner": {"builtinTunerName": "TPE", "gpuIndices": "0,1"},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "maxTrialDuration: 1h\n",
            "6:1: maxTrialDuration: is not available in this release; added in 2.4",
        ),
        (
            STORAGE,
            "6:1: sharedStorage: is not available in this release; added in 2.1",
        ),
    ],
)
def test_what_the_v1_format_cannot_express_is_an_error(
    check: Check, text: str, expected: str
) -> None:
    found = check(HEAD + SPACE + text, nni_version="1.9")

    assert len(found) == 1
    assert found[0].startswith(f"config.yml:{expected}")


@pytest.mark.parametrize(
    ("version", "seconds"), [("2.2", "3600s"), ("2.5", "3600s"), ("2.6", 3600), ("3.0", 3600)]
)
def test_durations_are_text_before_2_6(
    write_config: WriteConfig, version: str, seconds: object
) -> None:
    config = write_config(HEAD + SPACE + "maxExperimentDuration: 3600\n")

    loaded = load_config(config, nni_version=version)

    assert loaded.document["maxExperimentDuration"] == seconds


@pytest.mark.parametrize(("version", "is_v1"), [("2.2", True), ("2.10.1", True), ("3.0", True)])
def test_kubeflow_without_reuse_is_sent_unconverted(
    tmp_path: Path, version: str, is_v1: bool
) -> None:
    role = {"replicas": 1, "command": "x", "gpuNum": 0, "cpuNum": 1, "memoryMB": 100, "image": "i"}
    config = _changed(
        V1,
        trainingServicePlatform="kubeflow",
        trial={"codeDir": ".", "worker": role},
        kubeflowConfig={
            "operator": "tf-operator",
            "apiVersion": "v1",
            "nfs": {"server": "h", "path": "/p"},
            "reuse": False,
        },
    )

    assert (load_config(config, base_path=tmp_path, nni_version=version).format == "v1") is is_v1


@pytest.mark.parametrize("version", ["2.6", "3.0"])
def test_text_in_place_of_a_kubernetes_section_is_a_problem(version: str) -> None:
    config = {"trainingServicePlatform": "kubeflow", "kubeflowConfig": "here"}

    problems = check_config(config, nni_version=version)

    assert "kubeflowConfig" in [problem.location for problem in problems]
