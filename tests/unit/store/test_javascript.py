"""JSON texts, compared with what the node of NNI 3.0 makes of them."""

from __future__ import annotations

import json

import pytest

from nnicli.store.database import javascript

# Text -> JSON.stringify(JSON.parse(text)), as the bundled node 18.15 printed it.
REWRITTEN = {
    "5.0": "5",
    "-0.0": "0",
    "0": "0",
    "1e-05": "0.00001",
    "0.000001": "0.000001",
    "1e-7": "1e-7",
    "1.25e-10": "1.25e-10",
    "1E5": "100000",
    "1e16": "10000000000000000",
    "123456789012345678901": "123456789012345680000",
    "1e21": "1e+21",
    "1.5e300": "1.5e+300",
    "1e999": "null",
    "9007199254740993": "9007199254740992",
    "0.1": "0.1",
    "true": "true",
    "null": "null",
    r'"\u00fc\u2028/"': '"ü\u2028/"',
    r'"\ud800"': r'"\ud800"',
    r'"\ud83d\ude00\u0001\n"': '"\U0001f600\\u0001\\n"',
    "[1.0, [ ]]": "[1,[]]",
    '{"b": 1, "10": 2, "2": 3, "01": 4, "4294967295": 5, "4294967294": 6}': (
        '{"2":3,"10":2,"4294967294":6,"b":1,"01":4,"4294967295":5}'
    ),
    '{"a": 1, "a": 2.0}': '{"a":2}',
    "{}": "{}",
}


@pytest.mark.parametrize(("text", "expected"), REWRITTEN.items(), ids=json.dumps)
def test_a_text_is_rewritten_as_by_node(text: str, expected: str) -> None:
    """Compared as their repr, which distinguishes 5 from 5.0 and different orders of keys."""
    assert repr(javascript.parse(text)) == repr(json.loads(expected))


def test_an_integer_that_no_double_holds_is_null() -> None:
    assert javascript.parse("1" + "0" * 400) is None


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"x": -Infinity}', "", "{", "[1,]"])
def test_what_javascript_does_not_read_is_refused(text: str) -> None:
    """Python reads bare NaN and Infinity."""
    with pytest.raises(ValueError, match=r"is not valid JSON|Expecting|Illegal trailing comma"):
        javascript.parse(text)
