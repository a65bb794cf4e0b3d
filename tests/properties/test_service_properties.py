"""Any value in any field of any training service, in both formats and both directions."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings, strategies as st

from nnicli.config import check_config, convert_config
from nnicli.errors import ConfigError
from tests.sample_configs import SERVICES, V1_SECTIONS, make_files, v1_config, v2_config

CONFIGS = [
    *(v1_config(platform) for platform in V1_SECTIONS),
    *(v2_config({"platform": platform, **service}) for platform, service in SERVICES.items()),
    v2_config([{"platform": "local"}, {"platform": "aml", **SERVICES["aml"]}]),
]
VERSIONS = ["1.8", "1.9", "2.0", "2.1", "2.2", "2.5", "2.6", "2.10.1", "3.0"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
Keys = tuple[str | int, ...]
quick = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _locs(value: Any, keys: Keys = ()) -> Iterator[Keys]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*keys, key)
        if isinstance(item, dict | list):
            yield from _locs(item, (*keys, key))


@st.composite
def changed_configs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a valid config with one value replaced, or one key added."""
    config: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(CONFIGS)))
    way = draw(st.sampled_from(list(_locs(config))))
    part: Any = config
    for key in way[:-1]:
        part = part[key]
    if isinstance(part, dict) and draw(st.integers(0, 4)) == 0:
        part[draw(st.text(max_size=9))] = draw(json_values)
    else:
        part[way[-1]] = draw(json_values)
    return config


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Path:
    make_files(tmp_path)
    return tmp_path


@quick
@given(config=changed_configs(), version=st.sampled_from(VERSIONS))
def test_any_value_is_accepted_or_reported(
    directory: Path, config: dict[str, Any], version: str
) -> None:
    before = copy.deepcopy(config)

    problems = check_config(config, base_path=directory, nni_version=version)

    assert repr(config) == repr(before)
    assert all(problem.message and "\n" not in str(problem) for problem in problems)


@quick
@given(config=changed_configs(), to=st.sampled_from(["v1", "v2"]))
def test_any_config_is_converted_or_refused(config: dict[str, Any], to: Any) -> None:
    try:
        conversion = convert_config(config, to)
    except ConfigError:
        return

    assert json.loads(json.dumps(conversion.document)) is not None
    moved = {old for old, _ in conversion.moves}
    noted = {note.location for note in conversion.notes}
    assert moved or noted


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    return all(map(_is_finite, value)) if isinstance(value, list) else True


@quick
@given(config=changed_configs(), to=st.sampled_from(["v1", "v2"]))
def test_written_yaml_is_read_back_unchanged(config: dict[str, Any], to: Any) -> None:
    try:
        conversion = convert_config(config, to)
    except ConfigError:
        return

    text = conversion.to_yaml()

    if _is_finite(conversion.document):
        assert yaml.safe_load(text) == conversion.document
