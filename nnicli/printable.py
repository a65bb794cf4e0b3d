"""Text from outside made safe to show: without terminal control characters and secrets.

Names, ids, parameters, logs and answers come from other people's files, processes and machines.
"""

from __future__ import annotations

import re

from nnicli.redaction import redact

LONGEST_LINE = 2_000
"""Most characters of a name or another short value that are shown."""

# Characters that are invisible, or change how others look: C0 and C1 controls, lone surrogates,
# line and paragraph separators, and the invisible ones of Unicode's formatting characters. Visible
# ones are not included, and joiners have their own pattern below.
_INVISIBLE = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e"
    "\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\ud800-\\udfff"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
# Joiners are part of the text between letters of scripts that need them, and inside emoji.
_LONE_JOINERS = "(?<![^\\x00-\\x7f])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\x00-\\x7f])"
_UNSAFE = re.compile(f"[{_INVISIBLE}]|{_LONE_JOINERS}")
_UNSAFE_IN_LINE = re.compile(f"[\\t\\n{_INVISIBLE}]|{_LONE_JOINERS}")
# Colours of a log are harmless, as are line ends of other systems and the carriage returns of
# progress bars.
_COLOUR = re.compile("\x1b\\[[0-9;:]*m")
_LINE_END = re.compile("\r+\n|\r")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    r"""Return a text of one or more lines, with newline and tab as its only control characters.

    Colours are dropped, and a carriage return starts a new line; every other character that is
    invisible, or changes how others look, is shown as an escape such as `\x1b` or `\u202e`.
    """
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    return _UNSAFE.sub(_escape, text)


def printable_line(text: str, *, most: int = LONGEST_LINE) -> str:
    """Return a name or another short value on one line.

    Args:
        text: The value.
        most: The most characters to show; the rest is only counted.
    """
    shown = _UNSAFE_IN_LINE.sub(_escape, text[:most])
    if len(text) <= most and len(shown) <= most:
        return shown
    return f"{shown[:most]}... ({len(text)} characters)"


def presentable(text: str) -> str:
    """Return a text of one or more lines that is safe to show, without its secrets."""
    return printable(redact(text))


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
