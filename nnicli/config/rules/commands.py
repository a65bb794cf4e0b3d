"""Whether the programs and scripts that a trial's command names exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnicli.config.paths import absolute_path, is_there
from nnicli.config.rules.context import RuleContext
from nnicli.config.secrets import Loc, show
from nnicli.config.target import Target

# With any of these only a shell knows what runs. Quotes are simple enough to handle.
_SHELL = re.compile(r"[$`;&|<>*?(){}\[\]~!#\\\n\r]")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
# Built-ins and keywords of shells.
_SHELL_WORD = re.compile(
    r"""[.:\[] | alias | bg | break | case | cd | command | continue | do | done | echo | elif
    | else | esac | eval | exec | exit | export | false | fg | fi | for | function | getopts | hash
    | help | if | in | jobs | kill | let | local | printf | pwd | read | readonly | return | select
    | set | shift | source | test | then | time | times | trap | true | type | typeset | ulimit
    | umask | unalias | unset | until | wait | while""",
    re.VERBOSE,
)
_PYTHON = re.compile(r"python(?:\d+(?:\.\d+)*)?", re.ASCII)
# Options of Python that do not take a value.
_FLAGS = re.compile(r"-[bBdEiIOqsSuvxP]+")


def check_command(
    context: RuleContext, loc: Loc, command: Any, directory: Any, *, is_local: bool
) -> None:
    """Check that the program and the script of a trial's command exist.

    Commands with shell syntax are not checked, as it is not certain what they run. Without a target
    no command is: it may run on another machine, and its code may not be there yet.

    Args:
        context: The config.
        loc: Loc of the command.
        command: The command.
        directory: Directory of the trials' code, in which it runs.
        is_local: Whether it runs on this machine; other machines have a copy of the directory.
    """
    if not isinstance(command, str) or not isinstance(directory, str) or context.target is None:
        return
    words = _words(command)
    code = Path(absolute_path(directory, context.base))
    if not words or not is_there(code.is_dir):
        return
    script = _script(words)
    if is_local and not _is_program(words[0], context.target, code):
        where = "in PATH" if "/" not in words[0] else f"in {code}"
        message = f"found {show(command, loc)}; program {words[0]} not found {where}"
        _report(context, loc, message)
    elif script is not None and (is_local or not os.path.isabs(script)):  # noqa: PTH117 - as text
        path = code / script
        if not is_there(path.exists):
            message = f"found {show(command, loc)}; {path} not found"
            _report(context, loc, message)


def _report(context: RuleContext, loc: Loc, message: str) -> None:
    context.document.report(loc, f"{message}, so every trial would fail", rule="command")


def _words(command: str) -> list[str]:
    """Return the words of a command without its assignments, none if only a shell knows them."""
    if _SHELL.search(command):
        return []
    try:
        words = shlex.split(command)
    except ValueError:
        return []
    while words and _ASSIGNMENT.fullmatch(words[0]):
        if words[0].startswith("PATH="):
            return []
        words = words[1:]
    return words


def _is_program(word: str, target: Target, directory: Path) -> bool:
    if "/" in word:
        return is_there((directory / word).exists)
    if _SHELL_WORD.fullmatch(word) or target.search_path is None:
        return True
    return shutil.which(word, path=target.search_path) is not None


def _script(words: Sequence[str]) -> str | None:
    """Return the script that Python will run, None if that is not certain."""
    if not _PYTHON.fullmatch(words[0].rpartition("/")[2]):
        return None
    rest = [*words[1:]]
    while rest and _FLAGS.fullmatch(rest[0]):
        rest = rest[1:]
    return rest[0] if rest and not rest[0].startswith("-") else None
