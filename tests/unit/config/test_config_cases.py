"""Real and mutated configs with verdicts, if they are next to the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config_cases import (
    CASES,
    MISSING,
    SEEN_TO_RUN,
    check_corpus_file,
    judge_mutations,
    read_corpus,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CASES.is_dir(), reason=MISSING)]

# Valid for NNI, refused by nnicli -> the reason.
REFUSED = {
    "v2.5/docs__en_US__TrainingService__DLCMode.rst__L33.yml": "duplicate key",
}
LEAST_AGREEMENT = 0.99


@pytest.mark.usefixtures("home")
def test_verdicts_on_mutations_are_as_recorded() -> None:
    verdicts = list(judge_mutations())
    differing = [str(verdict) for verdict in verdicts if not verdict.agrees]

    assert len(verdicts) > 2000
    assert len(differing) <= len(verdicts) * (1 - LEAST_AGREEMENT), "\n".join(differing)


@pytest.mark.usefixtures("home")
def test_what_was_seen_to_run_is_only_a_warning() -> None:
    """A correction that nnicli does not need would hide a mistake."""
    seen = [v for v in judge_mutations() if v.record["id"] in SEEN_TO_RUN]

    assert len(seen) == len(SEEN_TO_RUN)
    assert [str(verdict) for verdict in seen if verdict.errors] == []


@pytest.mark.usefixtures("home")
def test_the_errors_name_the_mutated_field() -> None:
    rejected = [v for v in judge_mutations() if v.errors and v.should_be_rejected]
    elsewhere = [str(verdict) for verdict in rejected if not verdict.names_the_field]

    assert len(elsewhere) <= len(rejected) * (1 - LEAST_AGREEMENT), "\n".join(elsewhere)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row["file"])
        for row in (read_corpus() if CASES.is_dir() else [])
        if row["validity"] == "valid" and not row["doubt"]
    ],
)
def test_a_valid_file_of_the_corpus_is_accepted(
    row: dict[str, str], tmp_path: Path, home: Path
) -> None:
    (home / ".ssh").mkdir()
    (home / ".ssh" / "id_rsa").touch()

    errors = check_corpus_file(row, tmp_path / "there")

    assert bool(errors) == (row["file"] in REFUSED), errors
