"""A command exits with 1 over a damaged file, and with 4 over a manager."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from nnicli.cli import main
from nnicli.cli.exits import Exit, code_for
from nnicli.errors import (
    ConnectError,
    DecodingError,
    NnicliError,
    RegistryError,
    ResponseError,
    RestError,
)

REQUEST = {"method": "GET", "url": "http://127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DecodingError("a damaged file"), Exit.FAILED),
        (RegistryError("a damaged registry"), Exit.FAILED),
        (ResponseError("a web page", **REQUEST), Exit.NO_MANAGER),
        (ConnectError("refused", **REQUEST), Exit.NO_MANAGER),
    ],
    ids=lambda value: type(value).__name__,
)
def test_codes(error: NnicliError, code: Exit) -> None:
    assert code_for(error) == code


def test_a_start_that_fails_over_the_registry_exits_as_without_a_manager() -> None:
    """Exit code 1 of `nnicli run` means that the experiment failed; here it never started."""
    assert code_for(RegistryError("damaged"), starts_manager=True) == Exit.NO_MANAGER


def test_a_file_has_no_url() -> None:
    """Handlers of RestError read `url`, which was empty for a file."""
    error = DecodingError("a damaged file")

    assert not isinstance(error, RestError)
    assert not hasattr(error, "url")


def test_an_answer_is_caught_as_both() -> None:
    error = ResponseError("a web page", **REQUEST, body_start="<html>")

    assert isinstance(error, RestError)
    assert isinstance(error, DecodingError)
    assert (error.method, error.url, error.body_start) == ("GET", REQUEST["url"], "<html>")


def test_a_damaged_database_ends_a_command_with_1(home: Path) -> None:
    database = home / "nni-experiments" / "damaged" / "db" / "nni.sqlite"
    database.parent.mkdir(parents=True)
    database.write_bytes(b"no database at all" * 100)

    result = CliRunner().invoke(main, ["trial", "ls", "damaged"])

    assert result.exit_code == 1
    assert f"{database} cannot be read as the database" in result.stderr


def test_damaged_results_end_an_import_with_1(home: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.json"
    results.write_text("{")

    result = CliRunner().invoke(main, ["experiment", "import", "-f", str(results), "unknown"])

    assert result.exit_code == 1
    assert home.is_dir()
