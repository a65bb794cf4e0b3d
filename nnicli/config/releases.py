"""What a config may contain for each release: one row each, newest last."""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnicli.config.field_names import Format
from nnicli.versions import ReleaseTable

_PLATFORMS_1 = (
    "local",
    "remote",
    "pai",
    "paiYarn",
    "kubeflow",
    "frameworkcontroller",
    "dlts",
    "aml",
)
_TUNERS_1 = (
    "TPE",
    "Random",
    "Anneal",
    "Evolution",
    "BatchTuner",
    "GridSearch",
    "NetworkMorphism",
    "MetisTuner",
    "GPTuner",
    "PBTTuner",
    "SMAC",
    "PPOTuner",
)
CHANGED_CONSTRUCTORS = ("TPE", "Random", "GridSearch")
"""Built-in tuners whose arguments changed in some release."""
_SERVICES = ("local", "remote", "openpai", "aml")
_KUBERNETES = ("kubeflow", "frameworkcontroller")


@dataclass(frozen=True, slots=True)
class Release:
    """How the configs of a release differ from those of others.

    Attributes:
        since: First release for which the row holds.
        format: The format that the manager takes.
        v1_platforms: Valid values of `trainingServicePlatform`.
        v2_platforms: Platforms that a single training service of a v2 config may have.
        hybrid_platforms: Platforms that the training services in a list may have.
        tuners: Built-in tuners, without the advisors.
        old_constructors: Built-in tuners whose arguments differ from those in 3.0; the v1 schema
            describes them.
        checks_arguments: Whether v1 files are held to the limits of the v1 schema.
        needs_names: Whether v1 files need `authorName` and `experimentName`, because nnictl checks
            them in the v1 format.
        legacy_platforms: v1 platforms whose configs are sent in the v1 format although the manager
            takes v2.
        converts_kubernetes: Whether configs of kubeflow and frameworkcontroller are converted,
            unless they have `reuse: false`.
        has_annotation: Whether `useAnnotation` exists; even then only nnictl expands annotations.
        has_experiment_type: Whether the manager takes `experimentType`.
        advisor_is_tuner: Whether Hyperband and BOHB are tuners; in older releases they are in
            `advisor`.
        needs_dlc_workspace: Whether dlc needs `workspaceId`.
        takes_seconds: Whether a duration may also be a number of seconds.
        takes_space_in_code_path: Whether trials run in a directory whose path has a space in it.
        key_kinds: Forms of private SSH keys that the manager reads.
        reuses_machines: The default of `reuseMode` for remote machines.
        machine_command: The v1 field for a remote machine's own set-up.
        repeats_address: Whether the profile of a v1 start also has `nniManagerIp`.
        archives_sections: Whether the profile of a local v1 start repeats its metadata; older
            releases have only the directory and the command of the trial there.
        has_shared_storage: Whether `sharedStorage` exists.
        has_trial_duration: Whether `maxTrialDuration` exists.
    """

    since: str
    format: Format
    v1_platforms: tuple[str, ...]
    v2_platforms: tuple[str, ...]
    hybrid_platforms: tuple[str, ...]
    tuners: tuple[str, ...]
    old_constructors: tuple[str, ...]
    checks_arguments: bool
    needs_names: bool
    legacy_platforms: tuple[str, ...]
    converts_kubernetes: bool
    has_annotation: bool
    has_experiment_type: bool
    advisor_is_tuner: bool
    needs_dlc_workspace: bool
    takes_seconds: bool
    takes_space_in_code_path: bool
    key_kinds: tuple[str, ...]
    reuses_machines: bool
    machine_command: str
    repeats_address: bool
    archives_sections: bool
    has_shared_storage: bool
    has_trial_duration: bool

    def has(self, since: str) -> bool:
        """Return whether this row is that of `since`, a release of the table, or of a later one."""
        order = [release.since for release in RELEASES]
        return order.index(self.since) >= order.index(since)


_1_8 = Release(
    since="1.8",
    format="v1",
    v1_platforms=_PLATFORMS_1,
    v2_platforms=(*_SERVICES, *_KUBERNETES),
    hybrid_platforms=(),
    tuners=_TUNERS_1,
    old_constructors=CHANGED_CONSTRUCTORS,
    checks_arguments=True,
    needs_names=True,
    legacy_platforms=(),
    converts_kubernetes=False,
    has_annotation=True,
    has_experiment_type=False,
    advisor_is_tuner=False,
    needs_dlc_workspace=False,
    takes_seconds=False,
    takes_space_in_code_path=False,
    key_kinds=("pem",),
    reuses_machines=False,
    machine_command="",
    repeats_address=False,
    archives_sections=False,
    has_shared_storage=False,
    has_trial_duration=False,
)
_1_9 = replace(
    _1_8,
    since="1.9",
    tuners=(*_TUNERS_1, "RegularizedEvolutionTuner"),
    machine_command="preCommand",
)
_2_0 = replace(
    _1_9,
    since="2.0",
    v1_platforms=(*_PLATFORMS_1, "adl", "hybrid"),
    v2_platforms=(*_SERVICES, *_KUBERNETES, "adl"),
    hybrid_platforms=_SERVICES,
)
_2_1 = replace(
    _2_0,
    since="2.1",
    v1_platforms=tuple(name for name in _2_0.v1_platforms if name != "paiYarn"),
    machine_command="pythonPath",
    key_kinds=("pem", "openssh"),
    repeats_address=True,
    archives_sections=True,
    has_shared_storage=True,
)
# In v2, kubeflow had other fields before 2.4, and frameworkcontroller before 2.5.
_2_2 = replace(
    _2_1,
    since="2.2",
    format="v2",
    v2_platforms=(*_SERVICES, "adl"),
    legacy_platforms=("kubeflow", "frameworkcontroller", "adl"),
    reuses_machines=True,
)
_2_3 = replace(_2_2, since="2.3", tuners=(*_2_2.tuners, "DNGOTuner"))
_2_4 = replace(
    _2_3,
    since="2.4",
    v2_platforms=(*_SERVICES, "kubeflow", "adl"),
    key_kinds=("pem", "openssh", "ed25519"),
    has_trial_duration=True,
)
_2_5 = replace(
    _2_4,
    since="2.5",
    old_constructors=("TPE", "GridSearch"),
    v2_platforms=(*_SERVICES, *_KUBERNETES, "dlc", "adl"),
    hybrid_platforms=(*_SERVICES, *_KUBERNETES, "dlc"),
)
_2_6 = replace(
    _2_5,
    since="2.6",
    v2_platforms=tuple(name for name in _2_5.v2_platforms if name != "adl"),
    tuners=(*_2_5.tuners, "TPE_legacy"),
    old_constructors=(),
    checks_arguments=False,
    needs_names=False,
    converts_kubernetes=True,
    takes_seconds=True,
)
_2_7 = replace(_2_6, since="2.7")
_2_8 = replace(_2_7, since="2.8", advisor_is_tuner=True, needs_dlc_workspace=True)
_2_9 = replace(_2_8, since="2.9", has_experiment_type=True)
_2_10 = replace(_2_9, since="2.10")
_3_0 = replace(
    _2_10,
    since="3.0",
    v2_platforms=("local", "remote", *_KUBERNETES),
    hybrid_platforms=("local", "remote", "aml", "dlc", *_KUBERNETES),
    legacy_platforms=_KUBERNETES,
    has_annotation=False,
    takes_space_in_code_path=True,
    reuses_machines=False,
)

RELEASES = ReleaseTable(
    *(_1_8, _1_9, _2_0, _2_1, _2_2, _2_3, _2_4, _2_5, _2_6, _2_7, _2_8, _2_9, _2_10, _3_0),
    through="3.0",
)


def release_for(version: str | Release | None) -> Release:
    """Return the row for an NNI release, the newest for None; a row is returned unchanged.

    Raises:
        UnsupportedVersionError: The release is older than every row.
    """
    if isinstance(version, Release):
        return version
    return RELEASES[-1] if version is None else RELEASES.row_for(str(version))
