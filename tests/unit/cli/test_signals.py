"""Signals raised as exceptions, in this process."""

from __future__ import annotations

import os
import signal

import pytest

from nnicli.cli.signals import Interrupted, Interrupts, interruptible


class _InterruptedDestructor:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


def _one_round(interrupts: Interrupts) -> None:
    with interrupts.raising():
        _InterruptedDestructor()
        interrupts.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_a_destructor_swallowed_is_raised_by_the_check() -> None:
    with interruptible(lambda: None) as interrupts, pytest.raises(Interrupted) as caught:
        _one_round(interrupts)

    assert caught.value.number == signal.SIGTERM


def test_a_signal_before_the_work_is_raised_at_its_start() -> None:
    with interruptible(lambda: None) as interrupts:
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Interrupted) as caught:
            _one_round(interrupts)

    assert caught.value.number == signal.SIGHUP
