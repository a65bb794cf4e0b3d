"""Removal of secrets from text.

For text of unknown structure: the end of a log, a manager's answer, a command line. Values of a
config, whose structure is known, go through `config/secrets.py`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"

# Some words are enough anywhere in a name, others only at its end: `token`, not `max_tokens`.
_CORE = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|credential|token|authorization"
    r"|(?:api|access|account|auth|private|shared|signing|storage|subscription|encryption)[_-]?key",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(
    r".*(?:passw(?:or)?d|passphrase|pwd|secret|credential).*|.*(?:token|authorization|key)",
    re.IGNORECASE | re.DOTALL,
)
_LONGEST_NAME = 64
_NAME = re.compile(rf"[\w-]{{0,{_LONGEST_NAME}}}")
# After a name come its quote, escaped in JSON inside JSON, and the separator of its value. node and
# Ruby write `=>`.
_SEPARATOR = re.compile(r"""(?:\\*["'])?[ \t]*(?::|=>?)[ \t]*""")
_AFTER_OPTION = re.compile(r"""[ \t]+|["'],[ \t]*""")
_OPENING = re.compile(r"""(\\*)(["'])""")
_CLOSING = {quote: re.compile(rf"(\\*){quote}") for quote in "\"'"}
_LITERAL = re.compile(
    r"(?:-?\d[\d.eE+-]*|true|false|null|None|True|False|\*\*\*)(?=\s*(?:[,}\]]|$))", re.MULTILINE
)
_END_OF_VALUE = re.compile(r"[ \t]*(?:[,}\]][ \t]*)?(?:\n|$)")
_WORD = re.compile(r"[^\s&]*[^\s&,;)}\]\"'\\]|[^\s&]*")
_TO_COMMA = re.compile(r"(?:[^\n,}]|,(?! ))*")
_LINE = re.compile(r"[^\n]*")
_LINE_START = re.compile(r"""(?:^|\n)([ ]*(?:- +)?)["']?$""")
_BRACKETS = re.compile(r"[\[\]{}]")

# The tuner gets the whole config this way, in base64 (1.9 to 3.0).
_TUNER_CONFIG = re.compile(r"""(--exp_params["']?[\s=,]+["']?)[\w+/=-]+""")
# Base64 of JSON, such as that config without its option, or a JSON web token.
_ENCODED_JSON = re.compile(r"(?<![\w+/=-])eyJ[\w+/-]{16,}(?:\.[\w-]+)*={0,2}")
_SCHEME = re.compile(r"\b(Bearer|Basic)([ \t]+)[\w.~+/=-]{4,}", re.IGNORECASE)
_USER_IN_URL = re.compile(
    r"""(?<=//)(?:[^/@\s"']{1,2048}|[^/@\s:"']{1,256}:[^@\s"']{0,2048})(?=@)"""
    # A URL whose start is cut off.
    r"""|(?<![\w.+*-])[\w.+-]{0,64}:[^/@\s"']{1,256}(?=@)"""
)
_LONGEST_USER = 2_400
_BEGIN_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_END_KEY = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")
# The name in `--NAME VALUE` on a command line.
_OPTION = re.compile(r"--?([\w-]+)")


def redact(text: str) -> str:
    """Return a text with `***` for every secret in it.

    Secrets are the values of names that suggest one, in JSON, in JSON inside JSON, in YAML, in a
    dict printed by Python, and in options; users and passwords in URLs; HTTP credentials; private
    keys; and the tuner's config on a command line. If a text is cut off inside a secret, all of
    the rest is hidden.
    """
    text = _without_private_keys(text)
    text = _TUNER_CONFIG.sub(rf"\1{MASK}", text)
    text = _ENCODED_JSON.sub(MASK, text)
    text = hide_users(text)
    text = _without_values(text)
    return _SCHEME.sub(rf"\1\2{MASK}", text)


def hide_users(text: str) -> str:
    """Return a text with `***` for the part of URLs before the @."""
    parts: list[str] = []
    position = first = 0
    # Search around one @ at a time: each possible start is followed for some thousand characters.
    while (at := text.find("@", first)) >= 0:
        if user := _USER_IN_URL.search(text, max(first, at - _LONGEST_USER), at + 1):
            parts += [text[position : user.start()], MASK]
            position = user.end()
        first = at + 1
    return "".join((*parts, text[position:]))


def redact_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command line with `***` for every secret in it."""
    shown: list[str] = []
    hides_next = False
    for argument in argv:
        shown.append(MASK if hides_next else redact(argument))
        option = _OPTION.fullmatch(argument)
        hides_next = option is not None and (
            argument == "--exp_params" or _names_secret_in_text(option[1])
        )
    return tuple(shown)


def _names_secret_in_text(name: str) -> bool:
    return _CORE.search(name) is not None and _SECRET_NAME.fullmatch(name) is not None


def _without_private_keys(text: str) -> str:
    if "PRIVATE KEY-----" not in text:
        return text
    parts: list[str] = []
    position = 0
    first_end = _END_KEY.search(text)
    first_begin = _BEGIN_KEY.search(text)
    if first_end and not (first_begin and first_begin.start() < first_end.start()):
        # The text begins inside a key.
        parts.append(MASK)
        position = first_end.end()
    while begin := _BEGIN_KEY.search(text, position):
        end = _END_KEY.search(text, begin.end())
        parts += [text[position : begin.start()], MASK]
        position = end.end() if end else len(text)
    return "".join((*parts, text[position:]))


def _without_values(text: str) -> str:
    """Return a text without the values of names that suggest a secret."""
    parts: list[str] = []
    position = 0
    while core := _CORE.search(text, position):
        start, end = _extent_of_name(text, core.start(), position)
        value = None
        if _names_secret_in_text(text[start:end]):
            value = _find_value(text, start, end)
        if value is None:
            parts.append(text[position:end])
            position = end
            continue
        parts += [text[position : value[0]], MASK]
        position = value[1]
    return "".join((*parts, text[position:]))


def _extent_of_name(text: str, core: int, least: int) -> tuple[int, int]:
    start = core
    while start > max(least, core - _LONGEST_NAME) and _is_in_name(text[start - 1]):
        start -= 1
    match = _NAME.match(text, core)
    return start, match.end() if match else core


def _is_in_name(character: str) -> bool:
    return character.isalnum() or character in "_-"


def _find_value(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where the value of a name starts and ends, None if the name has no value."""
    separator = _SEPARATOR.match(text, end)
    if separator is None and text[start] == "-":
        separator = _AFTER_OPTION.match(text, end)
    if separator is None:
        return None
    at = separator.end()
    if opening := _OPENING.match(text, at):
        return opening.end(), _end_of_quoted(text, opening)
    line_start = _LINE_START.search(text, max(0, start - _LONGEST_NAME), start)
    literal = _LITERAL.match(text, at)
    # In YAML a value does not end at a comma: in `passwd: 0,abc` all of it is the password.
    if literal and (line_start is None or _END_OF_VALUE.match(text, literal.end())):
        return literal.span()
    if line_start is not None:
        # In YAML a value continues on every following line with more indentation.
        end = _end_of_block(text, at, len(line_start[1]))
        return (at, end) if end > at else None
    if at < len(text) and text[at] in "[{":
        return at, _end_of_brackets(text, at)
    name = text[start:end].lower()
    kind = _LINE if "authorization" in name else _TO_COMMA if ":" in separator[0] else _WORD
    match = kind.match(text, at)
    return (at, match.end()) if match and match.end() > at else None


def _end_of_quoted(text: str, opening: re.Match[str]) -> int:
    """Return where a quoted value ends: at the next quote with the escaping of the opening one.

    Quotes inside it have more escapes, also in JSON inside JSON and in Python's repr of it. So does
    the closing quote of a value that ends with a backslash: then more is hidden, never less.
    """
    depth, quote = len(opening[1]), opening[2]
    position = opening.end()
    while closing := _CLOSING[quote].search(text, position):
        position = closing.end()
        if len(closing[1]) != depth:
            continue
        if quote == "'" and text.startswith(quote, position):
            # YAML writes a single quote inside single quotes like this.
            position += 1
            continue
        return position - depth - 1
    return len(text)


def _end_of_block(text: str, at: int, indent: int) -> int:
    end = _end_of_line(text, at)
    while end < len(text):
        following = _end_of_line(text, end + 1)
        line = text[end + 1 : following]
        if line.strip() and len(line) - len(line.lstrip(" ")) <= indent:
            return end
        end = following
    return len(text.rstrip("\n")) if text.endswith("\n") else len(text)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _end_of_brackets(text: str, at: int) -> int:
    depth = 0
    for bracket in _BRACKETS.finditer(text, at):
        depth += 1 if bracket[0] in "[{" else -1
        if depth == 0:
            return bracket.end()
    return len(text)
