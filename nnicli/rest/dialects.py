"""How managers of each release spell things over HTTP: one row per family, newest last."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nnicli.decoding import brief, decode_json, decode_whole
from nnicli.errors import DecodingError, InvalidValueError
from nnicli.rest import endpoints
from nnicli.rest.endpoints import Endpoint
from nnicli.units import parse_duration
from nnicli.versions import ReleaseTable, parse_version

Encoder = Callable[[Any], Any]


def _as_is(value: Any) -> Any:
    return value


def _to_duration_text(seconds: int) -> str:
    return f"{seconds}s"


@dataclass(frozen=True, slots=True)
class ProfileField:
    """One updatable field of the profile.

    Attributes:
        update_type: Its name in the PUT.
        key: Its key in `params`.
        encode: nnicli's value -> the value in the PUT.
    """

    update_type: str
    key: str
    encode: Encoder = _as_is


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a family of managers names things, and which requests it supports.

    A release that adds an endpoint begins a new family.

    Attributes:
        since: First release of the family.
        fields: nnicli's name of a field -> the manager's.
        takes_whole_profile: Whether an update has to contain the whole profile.
        misses_early_changes: Whether a search space or an import that arrives before the tuner has
            connected is lost without an answer.
        encode_result: An imported result -> its form in the POST.
        trial_file: The endpoint of trials' files.
        trial_files: Kind of a trial's log -> name of the file there.
        empty_files: The answer for an empty file; `{name}` is its name.
    """

    since: str
    fields: Mapping[str, ProfileField]
    takes_whole_profile: bool
    misses_early_changes: bool
    encode_result: Encoder
    trial_file: Endpoint
    trial_files: Mapping[str, str]
    empty_files: str

    def read(self, field: str, params: Mapping[str, Any]) -> Any:
        """Return the value of a field in the manager's profile, durations in seconds.

        Args:
            field: nnicli's name of the field.
            params: The profile's `params`.

        Returns:
            Its value, None if the profile does not have it.

        Raises:
            DecodingError: The value is not valid for this field.
        """
        key = self.fields[field].key
        value = params.get(key)
        return None if value is None else _DECODERS[field](value, key)

    def has(self, endpoint: Endpoint) -> bool:
        """Return whether the managers of the family have an endpoint."""
        return parse_version(endpoint.since) <= parse_version(self.since)


def _decode_duration(value: Any, key: str) -> int:
    try:
        return parse_duration(value, field=key)
    except InvalidValueError as error:
        raise DecodingError(f"{key}: expected a duration, found {brief(value)}") from error


def _decode_space(value: Any, key: str) -> dict[str, Any]:
    space = decode_json(value) if isinstance(value, str) else value
    if not isinstance(space, dict):
        raise DecodingError(f"{key}: expected an object, found {brief(space)}")
    return space


_DECODERS: Mapping[str, Callable[[Any, str], Any]] = {
    "trial_concurrency": decode_whole,
    "max_experiment_duration": _decode_duration,
    "max_trial_number": decode_whole,
    "search_space": _decode_space,
}


_1_8 = Dialect(
    since="1.8",
    fields={
        "trial_concurrency": ProfileField("TRIAL_CONCURRENCY", "trialConcurrency"),
        "max_experiment_duration": ProfileField("MAX_EXEC_DURATION", "maxExecDuration"),
        "max_trial_number": ProfileField("MAX_TRIAL_NUM", "maxTrialNum"),
        "search_space": ProfileField("SEARCH_SPACE", "searchSpace", json.dumps),
    },
    takes_whole_profile=True,
    misses_early_changes=False,
    # The tuner decodes it once, and crashes over a number (seen live).
    encode_result=json.dumps,
    trial_file=endpoints.GET_TRIAL_LOG,
    # Of a trial's output these releases keep only stderr.
    trial_files={"stderr": "TRIAL_ERROR", "trial": "TRIAL_LOG"},
    empty_files="No logs available.",
)
_1_9 = replace(_1_8, since="1.9", encode_result=_as_is)
_2_0 = replace(_1_9, since="2.0")
_2_1 = replace(_2_0, since="2.1")
_2_2 = replace(
    _2_1,
    since="2.2",
    # 2.2 to 2.10.1 accept and ignore the old keys, maxExecDuration and maxTrialNum (seen live).
    fields={
        **_2_1.fields,
        "max_experiment_duration": ProfileField(
            "MAX_EXEC_DURATION", "maxExperimentDuration", _to_duration_text
        ),
        "max_trial_number": ProfileField("MAX_TRIAL_NUM", "maxTrialNumber"),
    },
    takes_whole_profile=False,
)
_2_3 = replace(_2_2, since="2.3", trial_files={**_2_2.trial_files, "stdout": "TRIAL_STDOUT"})
_2_4 = replace(
    _2_3,
    since="2.4",
    trial_file=endpoints.GET_TRIAL_FILE,
    trial_files={"stdout": "stdout", "stderr": "stderr", "trial": "trial.log"},
    empty_files="{name} is empty.",
)
_2_6 = replace(
    _2_4,
    since="2.6",
    # Before 2.6 an object gets no answer; from 2.6 on, text crashes the tuner (seen live).
    fields={**_2_4.fields, "search_space": ProfileField("SEARCH_SPACE", "searchSpace")},
)
_2_8 = replace(_2_6, since="2.8", misses_early_changes=True)

DIALECTS = ReleaseTable(_1_8, _1_9, _2_0, _2_1, _2_2, _2_3, _2_4, _2_6, _2_8, through="3.0")
