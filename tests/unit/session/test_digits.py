"""NNI's own nnicli took numbers as text, and scripts written for it still pass them."""

from __future__ import annotations

import pytest

from nnicli.errors import InvalidValueError
from nnicli.session import validation


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [("trial_concurrency", "2", 2), ("trial_concurrency", "0", 0), ("max_trial_number", "4", 4)],
)
def test_updates_take_digits(field: str, text: str, value: int) -> None:
    assert validation.UPDATE_CHECKS[field](text) == value


def test_a_port_may_be_text() -> None:
    assert validation.to_port("9001") == 9001
    assert validation.to_port(None) == 0


@pytest.mark.parametrize("value", ["2.5", " 2 ", "-1", "٢", "", "0x2", True, 2.0, "9" * 400])
@pytest.mark.parametrize("field", ["trial_concurrency", "max_trial_number"])
def test_anything_else_is_refused_with_what_is_allowed(field: str, value: object) -> None:
    with pytest.raises(
        InvalidValueError, match=f"^{field}: .* is not allowed; allowed: an integer"
    ):
        validation.UPDATE_CHECKS[field](value)
