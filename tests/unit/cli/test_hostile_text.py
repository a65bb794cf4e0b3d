"""Text from names, ids, parameters, logs and registries never controls a terminal."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import sys
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from nnicli import open_experiment
from nnicli.cli import main
from nnicli.cli.consoles import SafeConsole, SafeTable
from nnicli.cli.output import LogWriter, print_json, print_message, print_result, write_data
from nnicli.cli.streams import guard_streams
from tests.unit.cli.test_records import make_experiment

HOSTILE = (
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;cm0gLXJmIH4K\x07",
    "\x1bP$q\x1b\\",
    "\x1b[6n",
    "\x1b[?1049h",
    "\x1bc",
    "\x1b[31mred",
    "\x9b31mred",
    "\x9d0;owned\x9c",
    "\x07\x07\x07",
    "\x08\x08\x08RUNNING",
    "ok\rFAILED",
    "a\nid: b",
    "a\r\nb",
    "a\x0b\x0cb",
    "\x0e\x0f",
    "\x7f",
    "\x85\u2028\u2029",
    "gpj.\u202eexe",
    "\u2066\u2069\u200e\u200f",
    "in\u200bvi\u2060si\ufeffble",
    "\u00ad\u061c\u180e",
    "\U000e0041\U000e0042",
    "\udcff\ud800",
    "[bold red]x[/]",
    "[/nothing]",
    ":boom: [link=http://evil.example]x[/link]",
    "=cmd|'/c calc'!A1",
    "%s %(name)s {0} {name} $(id) `id`",
    "nul\x00",
    "x" * 100_000,
)


class Screen(io.TextIOWrapper):
    """A terminal that records what is written to it."""

    def __init__(self, *, is_terminal: bool = True, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding, write_through=True)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    @property
    def text(self) -> str:
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


Shell = Callable[..., tuple[int, str]]


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a function that runs a command on a terminal and returns its code and the screen."""
    # Without colours, so that rich adds no escape sequences of its own.
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, is_terminal: bool = True, encoding: str = "utf-8") -> tuple[int, str]:
        screen = Screen(is_terminal=is_terminal, encoding=encoding)
        monkeypatch.setattr(sys, "stdout", screen)
        monkeypatch.setattr(sys, "stderr", screen)
        try:
            main.main(list(arguments), prog_name="nnicli")
        except SystemExit as end:
            return int(end.code or 0), screen.text
        raise AssertionError("a command always exits")

    return run


def unsafe(text: str) -> set[str]:
    """Return the characters of a text that control a terminal or deceive its reader."""
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in "\n\t"
    }


@pytest.fixture
def hostile(home: Path) -> Path:
    """Put every hostile text into the registry, directory names, a database and its logs."""
    parent = home / "nni-experiments"
    entries = {
        f"{number}{text[:40]}": {
            "id": f"{number}{text[:40]}",
            "experimentName": text,
            "status": text,
            "platform": text,
            "port": 8080,
            "startTime": 1,
            "endTime": "N/A",
            "logDir": f"/nowhere/{text[:40]}",
            "webuiUrl": [text],
        }
        for number, text in enumerate(HOSTILE)
    }
    directory = make_experiment(parent, "recorded")
    every = "|".join(text[:200] for text in HOSTILE)
    (directory / "log" / "dispatcher.log").write_bytes(every.encode("utf-8", "surrogatepass"))
    with closing(sqlite3.connect(directory / "db" / "nni.sqlite")) as connection, connection:
        encoded = json.dumps(every)[1:-1]
        text = every.encode("utf-8", "replace").decode()
        connection.execute(
            "update ExperimentProfile set params = replace(params, '\"recorded\"', ?)",
            (f'"{encoded}"',),
        )
        connection.execute(
            "update TrialJobEvent set data = replace(data, '\"a\"', ?)", (f'"{encoded}"',)
        )
        connection.execute("update TrialJobEvent set message = ?", (text,))
        connection.execute(
            "update TrialJobEvent set trialJobId = trialJobId || ? where trialJobId = 'fb0QU'",
            (text,),
        )
        connection.execute(
            "update TrialJobEvent set event = ? where event = 'FAILED'", (text.upper(),)
        )
    for number, text in enumerate(HOSTILE):
        # File names cannot contain these.
        name = f"f{number}{text[:40]}".translate({ord("/"): "_", 0: "_", 0xD800: "_"})
        (parent / name / "db").mkdir(parents=True)
        shutil.copyfile(directory / "db" / "nni.sqlite", parent / name / "db" / "nni.sqlite")
    (parent / ".experiment").write_text(json.dumps(entries))
    return directory


VERBS = (
    "experiment list",
    "experiment list --all",
    "experiment show {id}",
    "experiment status {id}",
    "experiment export {id}",
    "experiment export {id} --type json -i",
    "experiment delete {id} --dry-run",
    "experiment prune --older-than 1s",
    "experiment save {id} saved.zip",
    "trial ls {id}",
    "trial ls {id} --head 3 --mode maximize",
    "log dispatcher {id}",
    "log dispatcher {id} --tail 1",
    "log manager {id}",
    "log trial {id} --trial {text}",
    "reconcile",
    "installations",
    "validate {text}",
    "convert {text}",
    "run {text}",
    "experiment show {text}",
    "experiment list --experiments-directory {text}",
    "experiment load {text}",
    "trial ls {id} --status {text}",
    "trial {text}",
    "log {id} --{text}",
)


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_controls_a_terminal(verb: str, hostile: Path, shell: Shell) -> None:
    text = "".join(HOSTILE[:-2]).replace("\ud800", "")
    arguments = [part.format(id=hostile, text=text) for part in verb.split(" ")]

    code, screen = shell(*arguments)

    assert code in (0, 1, 2, 4), screen
    assert screen
    assert unsafe(screen) == set()
    assert "Traceback (most" not in screen


@pytest.mark.parametrize("verb", [*VERBS[:13], "reconcile"])
def test_no_verb_fails_over_the_encoding(verb: str, hostile: Path, shell: Shell) -> None:
    """LANG=C, and output to something other than a terminal."""
    arguments = [part.format(id=hostile) for part in verb.split(" ")]

    code, screen = shell(*arguments, is_terminal=False, encoding="ascii")

    assert code in (0, 1), screen
    assert screen


def test_a_lone_surrogate_does_not_affect_other_experiments(hostile: Path, shell: Shell) -> None:
    code, screen = shell("experiment", "list", "--all", is_terminal=False)

    assert code == 0
    assert "25\\udcff\\ud800" in screen
    assert hostile.name in screen


@pytest.mark.parametrize("verb", ["experiment list --all", "trial ls {id}", "experiment show {id}"])
def test_json_stays_json(verb: str, hostile: Path, shell: Shell) -> None:
    arguments = [part.format(id=hostile) for part in verb.split(" ")]

    code, screen = shell(*arguments, "--json")

    assert code == 0
    assert json.loads(screen)
    assert unsafe(screen) == set()


def test_a_log_is_raw_unless_written_to_a_terminal(hostile: Path, shell: Shell) -> None:
    """As with `git` and `journalctl`, a file gets the log unchanged."""
    code, text = shell("log", "dispatcher", str(hostile), is_terminal=False)

    assert code == 0
    assert text == f"{open_experiment(hostile).dispatcher_log()}\n"


def test_a_log_on_a_terminal_does_not_show_secrets(hostile: Path, shell: Shell) -> None:
    log = hostile / "log" / "nnimanager.log"
    log.write_text('value: {"passwd":"hunter2"}\n')

    assert shell("log", "manager", str(hostile))[1] == 'value: {"passwd":"***"}\n'


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(text=st.text(), piece=st.text())
@example(text="\x1b[2J\udc80\x00\r", piece="\x9b")
def test_printed_text_never_controls_the_terminal(
    text: str, piece: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    guard_streams()
    table = SafeTable("column")
    table.add_row(text)
    table.add_row([text, piece])
    log = LogWriter()
    log.write(text)
    log.write(piece)
    log.close()
    for write in (print_result, print_message, write_data, print_json, SafeConsole().print):
        write(text)
    SafeConsole().print(table)

    assert unsafe(screen.text) <= {"\u200c", "\u200d"}
    assert not text.isascii() or unsafe(screen.text) == set()
