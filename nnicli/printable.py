"""Text from outside as it may be shown: nothing in it steers a terminal, and no secret is told.

Names, ids, parameters, logs and answers come from other people's files, processes and machines.
"""

from __future__ import annotations

import re

from nnicli.redaction import redact

LONGEST_LINE = 2_000
"""How many characters of a name or another short value are shown at most."""

# What people see nothing of, or what changes what they see: controls of C0 and C1, surrogates
# without a partner, line and paragraph separators, and whatever Unicode calls invisible formatting.
# The joiners stand alone below. Signs that Unicode counts as formatting and that are seen are left.
_INVISIBLE = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u200b\\u200e"
    "\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufeff\\uffa0\\ufff0-\\ufffb\\ud800-\\udfff"
    "\\U0001bca0-\\U0001bca3\\U0001d173-\\U0001d17a\\U000e0000-\\U000e0fff"
)
# Between letters of scripts that need them, and inside of emoji, the joiners are part of the text.
_LONE_JOINERS = "(?<![^\\x00-\\x7f])[\\u200c\\u200d]|[\\u200c\\u200d](?![^\\x00-\\x7f])"
_UNSAFE = re.compile(f"[{_INVISIBLE}]|{_LONE_JOINERS}")
_UNSAFE_IN_LINE = re.compile(f"[\\t\\n{_INVISIBLE}]|{_LONE_JOINERS}")
# The colours of a log. Like the line ends of other systems and the returns of progress bars they
# mean something, and are no secret way to say it.
_COLOUR = re.compile("\x1b\\[[0-9;:]*m")
_LINE_END = re.compile("\r+\n|\r")
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def printable(text: str) -> str:
    r"""Return a text of any number of lines, in which only newline and tab are control characters.

    Colours are dropped, a return begins a line; every other character that is not seen, or that
    changes how others are seen, is shown by its number, such as `\x1b` or `\u202e`.
    """
    if "\x1b" in text:
        text = _COLOUR.sub("", text)
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    return _UNSAFE.sub(_by_number, text)


def printable_line(text: str, *, most: int = LONGEST_LINE) -> str:
    """Return a name or another short value in one line.

    Args:
        text: The value.
        most: How many characters to show; the rest is only counted.
    """
    shown = _UNSAFE_IN_LINE.sub(_by_number, text[:most])
    if len(text) <= most and len(shown) <= most:
        return shown
    return f"{shown[:most]}... ({len(text)} characters)"


def presentable(text: str) -> str:
    """Return a text of any number of lines as it may be shown, without its secrets."""
    return printable(redact(text))


def _by_number(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
