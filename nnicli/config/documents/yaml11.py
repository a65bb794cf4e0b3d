"""What YAML 1.1 reads differently from people and from YAML 1.2."""

from __future__ import annotations

import math
import re
from typing import Any

from nnicli.config.documents.document import Document
from nnicli.config.secrets import Loc, is_secret

# YAML 1.1 wants a dot in the mantissa and a sign in the exponent.
_EXPONENT = re.compile(r"([-+]?)(\d*\.?\d*)[eE]([-+]?)(\d+)", re.ASCII)
# Numbers to people, but text to YAML 1.1: `1e-7`, `-.5`, and `08`, which is not octal.
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d+|[-+]\.\d+|[-+]?0\d*[89]\d*", re.ASCII)
_OCTAL = re.compile(r"[-+]?0[0-7]+", re.ASCII)


def is_surprise(text: str, value: Any) -> bool:
    """Return whether a plain text became a value that its author hardly meant.

    NNI reads YAML 1.1 since 2.3, and YAML 1.2 before. In YAML 1.1 `1e-7` is text, `on` is true,
    `010` is 8 and `1:30` is 90.
    """
    if isinstance(value, str):
        return _NUMBER.fullmatch(value) is not None
    if isinstance(value, bool):
        return text.lower() not in ("true", "false")
    if isinstance(value, int | float):
        return ":" in text or _OCTAL.fullmatch(text) is not None
    return False


def write_as_number(text: str) -> str | None:
    """Return a number that YAML 1.1 reads as text in a form that it reads as a number.

    `1e-7` -> `1.0e-7`; None for other text.
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    match = _EXPONENT.fullmatch(text)
    if match is None:
        return str(float(text) if "." in text else int(text))
    minus, mantissa, sign, exponent = match.groups()
    whole, _, fraction = mantissa.partition(".")
    return f"{minus}{whole or '0'}.{fraction or '0'}e{sign or '+'}{exponent}"


def to_number(text: str, *, whole: bool) -> int | float | None:
    """Return the number that people, but not YAML 1.1, read in a text; None for other text.

    Args:
        text: A plain text, such as `1e-5`.
        whole: Whether it has to be an integer.
    """
    if _NUMBER.fullmatch(text) is None:
        return None
    number = float(text)
    if not whole:
        return number if math.isfinite(number) else None
    return int(number) if number.is_integer() else None


def report_surprises(document: Document, *, is_space: bool) -> None:
    """Report surprises as warnings, unless they have already been reported.

    Args:
        document: A config, or a search space.
        is_space: Whether it is a search space. Anywhere else `yes` for true, or a name such as
            `1e5`, is what was meant.
    """
    reported = {problem.location for problem in document.problems}
    for loc, text in document.surprises.items():
        value = _value_at(document.data, loc)
        is_option = is_space or loc[0] == "searchSpace"
        is_argument = "classArgs" in loc
        if isinstance(value, bool) and not is_option:
            continue
        if isinstance(value, str) and not (is_option or is_argument):
            continue
        if is_secret(loc) or document.locate(loc) in reported:
            continue
        message, suggestion = _describe(text, value)
        document.report(loc, message, rule="yaml-1.1", severity="warning", suggestion=suggestion)


def _describe(text: str, value: Any) -> tuple[str, str]:
    if isinstance(value, str):
        message = f"{text} is text to YAML 1.1, and text is allowed here"
        return message, f"write {write_as_number(text)} for the number, or '{text}' for the text"
    number = str(value).lower()
    if _OCTAL.fullmatch(text):
        return f"YAML 1.1 reads {text} as octal, {number}", f"write {int(text)} or {number}"
    return f"YAML 1.1 reads {text} as {number}", f"write {number}, or '{text}' for the text"


def _value_at(data: Any, loc: Loc) -> Any:
    for key in loc:
        # If a field was given in two spellings, only one is left.
        if isinstance(data, dict) and key not in data:
            return None
        data = data[key]
    return data
