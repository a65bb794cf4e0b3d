"""Text from outside is shown without terminal control characters."""

from __future__ import annotations

import logging
import re
import sys
import unicodedata
from pathlib import Path

import pytest

from nnicli.errors import InvalidValueError, NnicliError, Problem
from nnicli.printable import presentable, printable, printable_line
from nnicli.safe_logging import get_logger

# Characters that Unicode classifies as formatting, but that are visible: numbers and verses of
# Arabic and Syriac texts, Kaithi numbers, and layout controls of hieroglyphs and shorthand.
SEEN = re.compile(
    "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001345f]"
)
JOINERS = "\u200c\u200d"
# Input -> what is shown, on one line.
TEXTS = {
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x1b]8;;http://evil\x07click\x1b]8;;\x07": r"\x1b]8;;http://evil\x07click\x1b]8;;\x07",
    "\x1b[2J\x1b[H": r"\x1b[2J\x1b[H",
    "\x9b31mred": r"\x9b31mred",
    "a\rb\nc\td\x08\x7f": r"a\rb\nc\td\x08\x7f",
    "gpj.\u202eexe": r"gpj.\u202eexe",
    "tra\u200bin\ufeff": r"tra\u200bin\ufeff",
    "tra\u200din": r"tra\u200din",
    "a\U000e0041": r"a\U000e0041",
    "file-\udcff": r"file-\udcff",
    "a\u2028b\x85": r"a\u2028b\x85",
    "[bold]x[/bold] :boom:": "[bold]x[/bold] :boom:",
    "Schöne Größe 模型 نموذج می‌خواهم 👨‍👩‍👧": "Schöne Größe 模型 نموذج می‌خواهم 👨‍👩‍👧",
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_value_is_shown_safely_on_one_line(text: str) -> None:
    assert printable_line(text) == TEXTS[text]


def test_lines_tabs_and_progress_bars_of_a_log_stay_readable() -> None:
    log = "\x1b[1;31merror\x1b[0m\ta\r\n 10%\r 20%\r\nend\x07"

    assert printable(log) == "error\ta\n 10%\n 20%\nend\\x07"


def test_long_values_are_cut() -> None:
    assert printable_line("x" * 5_000_000, most=3) == "xxx... (5000000 characters)"


def test_every_invisible_character_is_known() -> None:
    """Python's tables list them; a new release of Unicode may add more."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    left = [
        f"{code:x}"
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(character := chr(code)) in kinds
        and character not in ("\t", "\n", *JOINERS)
        and printable(f"a{character}b") == f"a{character}b"
        and not SEEN.match(character)
    ]

    assert left == []


def test_errors_problems_and_records_can_be_shown_unchanged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hostile = "\x1b[2Jid\u202e\udc80"
    error = InvalidValueError(f"id: {hostile}", field="id", value=hostile)
    problem = Problem(
        Path(f"/tmp/{hostile}"), 1, 1, hostile, f"found {hostile}", "rule", suggestion=hostile
    )

    with caplog.at_level(logging.INFO, "nnicli"):
        get_logger("nnicli.test").info("experiment %s: %d", f"{hostile} password=x", 3)

    for text in (str(error), repr(error), str(problem), caplog.text):
        assert printable(text) == text
    assert caplog.messages == [r"experiment \x1b[2Jid\u202e\udc80 password=***: 3"]
    assert caplog.records[0].funcName == "test_errors_problems_and_records_can_be_shown_unchanged"


def test_advice_is_worded_for_the_face() -> None:
    def make(message: str) -> NnicliError:
        return NnicliError(message).with_advice("pass nni=PATH", shell="pass --nni PATH")

    assert str(make("no NNI")) == "no NNI; pass nni=PATH"
    assert make("no NNI").text_for("shell") == "no NNI; pass --nni PATH"
    assert str(make("failed:\nlog")) == "failed:\nlog\npass nni=PATH"


def test_presentable_text_has_neither_control_characters_nor_secrets() -> None:
    assert presentable('\x1b[31m{"passwd":"x"}\x07') == '{"passwd":"***"}\\x07'
