"""The read methods of every experiment, whether its manager is running or not."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar, cast

from nnicli import results
from nnicli.choices import check_choice
from nnicli.models import (
    ExperimentProfile,
    TrialJob,
    TrialJobStatistics,
    TrialMetricData,
    TrialResult,
)
from nnicli.store import Log, write_whole
from nnicli.waiting import Deadline

T = TypeVar("T")


class ExperimentReader(ABC):
    """The read methods that live and recorded experiments have in common."""

    @abstractmethod
    def _read(self, read: Callable[[results.PairedTrials], T]) -> T:
        """Return the result of reading from the best source available."""

    @abstractmethod
    def _trial_log(self, trial_job_id: str, kind: str) -> Log:
        """Return a trial's log of this kind."""

    @abstractmethod
    def _known_trial_logs(self) -> Collection[str]:
        """Return the available kinds of a trial's logs."""

    @abstractmethod
    def _manager_log(self, kind: str) -> Log:
        """Return the manager's log of this kind."""

    @abstractmethod
    def _dispatcher_log(self) -> Log:
        """Return the tuner's log."""

    @abstractmethod
    def _is_running(self) -> bool:
        """Return whether the manager is running, as far as that is known."""

    def get_experiment_profile(self) -> ExperimentProfile:
        """Return the experiment's profile: `params` is its config, `execDuration` in seconds."""
        return self._read(lambda source: source.get_experiment_profile())

    def get_job_statistics(self) -> list[TrialJobStatistics]:
        """Return how many trials are in each status; statuses without a trial are absent."""
        return self._read(lambda source: source.get_job_statistics())

    def get_trial_job(self, trial_job_id: str) -> TrialJob:
        """Return one trial.

        Raises:
            TrialJobNotFoundError: The experiment does not have this trial.
        """
        return self._read(lambda source: source.get_trial_job(trial_job_id))

    def list_trial_jobs(self) -> list[TrialJob]:
        """Return all trials in the order in which they were created."""
        return self._read(lambda source: source.list_trial_jobs())

    def get_job_metrics(self, trial_job_id: str | None = None) -> dict[str, list[TrialMetricData]]:
        """Return reported metrics by trial job id.

        Args:
            trial_job_id: One trial, or None for all of them.

        Returns:
            Trial job id -> its metrics in the order reported; ids without a metric are absent.
        """
        return self._read(lambda source: source.get_job_metrics(trial_job_id))

    def export_data(self) -> list[TrialResult]:
        """Return the parameters and final metric of every succeeded trial that has one."""
        return self._read(lambda source: source.export_data())

    def write_export(
        self,
        path: str | os.PathLike[str],
        *,
        kind: results.ExportFormat | None = None,
        intermediate: bool = False,
        csv_escape: bool = False,
    ) -> None:
        """Write the results of `export_data()` to a file, in nnictl's format.

        An existing file is replaced in one step and keeps its mode; a link is kept, and its target
        is replaced. A device or a pipe is written to.

        Args:
            path: The file.
            kind: `csv` or `json`; None: by the suffix of the name.
            intermediate: Whether to add intermediate metrics.
            csv_escape: Whether to make csv safe for spreadsheets, as in `export_text()`.

        Raises:
            InvalidValueError: The kind is neither, or is not given and does not follow from the
                name.
            OSError: The file cannot be written.
        """
        target = Path(path)
        wanted = kind or target.suffix.removeprefix(".").lower()
        check_choice(wanted, results.EXPORT_FORMATS, field="kind")
        text = self.export_text(
            cast("results.ExportFormat", wanted), intermediate=intermediate, csv_escape=csv_escape
        )
        write_whole(target, text)

    def export_text(
        self,
        kind: results.ExportFormat,
        *,
        intermediate: bool = False,
        csv_escape: bool = False,
    ) -> str:
        """Return what `write_export()` writes.

        Args:
            kind: `csv` or `json`.
            intermediate: Whether to add intermediate metrics.
            csv_escape: Whether to put a `'` before text in csv that a spreadsheet would evaluate as
                a formula, as it begins with `=`, `+`, `-`, `@`, a tab or a line end. Text that
                begins with `'` gets another one, so that `parse_export(..., csv_escape=True)` and
                `import --csv-escape` can read all of it back. Numbers are not changed.
        """
        return self._read(
            lambda source: results.export_text(
                source, kind, intermediate=intermediate, csv_escape=csv_escape
            )
        )

    def best_trial(self, *, metric: str = "default", mode: results.Mode | None = None) -> TrialJob:
        """Return the trial with the best final metric.

        Args:
            metric: Key in the final metric, if trials report a dict.
            mode: `maximize` or `minimize`; None: the tuner's `optimize_mode`.

        Raises:
            InvalidValueError: No mode was given, and the config does not have one.
            NoTrialSucceededError: No trial has a number as this metric.
        """
        return self._read(lambda source: results.best_trial(source, metric=metric, mode=mode))

    def trial_log(
        self,
        trial_job_id: str,
        kind: str = "stdout",
        *,
        head: int | None = None,
        tail: int | None = None,
    ) -> str:
        """Return one of a trial's logs; empty if nothing was written yet.

        `trial_log_kinds()` returns the kinds that have text.

        Args:
            trial_job_id: The trial.
            kind: `stdout`, `stderr` or `trial`, which is what NNI logs inside the trial.
            head: Only the first `head` lines.
            tail: Only the last `tail` lines.

        Raises:
            InvalidValueError: The kind is none of these, or a number of lines is not allowed.
            TrialJobNotFoundError: The experiment does not have this trial.
            TrialLogNotAvailableError: It ran on another machine, and its log is not available;
                `location` says where it is.
        """
        return self._trial_log(trial_job_id, kind).text(head=head, tail=tail)

    def trial_log_kinds(self, trial_job_id: str) -> list[str]:
        """Return the kinds of a trial's logs that have text: `stdout`, `stderr`, `trial`.

        What a trial prints after importing nni is in `trial`, as NNI takes over its standard output
        (1.9 to 3.0, seen live).

        Raises:
            TrialJobNotFoundError: The experiment does not have this trial.
            TrialLogNotAvailableError: It ran on another machine, and its logs are not available.
        """
        return [
            kind
            for kind in self._known_trial_logs()
            if _has_text(self._trial_log(trial_job_id, kind))
        ]

    def manager_log(
        self, kind: str = "log", *, head: int | None = None, tail: int | None = None
    ) -> str:
        """Return one of the manager's logs; empty if nothing was written yet.

        Args:
            kind: `log`, its own log; `stdout` or `stderr`, its output, which shows failures that
                come before its log is open.
            head: Only the first `head` lines.
            tail: Only the last `tail` lines.

        Raises:
            InvalidValueError: The kind is none of these, or a number of lines is not allowed.
        """
        return self._manager_log(kind).text(head=head, tail=tail)

    def dispatcher_log(self, *, head: int | None = None, tail: int | None = None) -> str:
        """Return the log of the tuner's process; empty if nothing was written yet.

        Args:
            head: Only the first `head` lines.
            tail: Only the last `tail` lines.

        Raises:
            InvalidValueError: A number of lines is not allowed.
        """
        return self._dispatcher_log().text(head=head, tail=tail)

    def follow_trial_log(
        self,
        trial_job_id: str,
        kind: str = "stdout",
        *,
        tail: int | None = None,
        timeout: float | None = None,
    ) -> Iterator[str]:
        """Return one of a trial's logs in pieces, as it is written, until the trial has ended.

        If the log is replaced or truncated meanwhile, it is followed from its new beginning.

        Args:
            trial_job_id: The trial.
            kind: `stdout`, `stderr` or `trial`.
            tail: Of the lines already written, only the last `tail`.
            timeout: Seconds after which to end in any case.

        Raises:
            InvalidValueError: The kind is none of these, or the number of lines is not allowed.
            TrialJobNotFoundError: The experiment does not have this trial.
            TrialLogNotAvailableError: It ran on another machine, and its log is not available;
                `location` says where it is.
        """
        return self._trial_log(trial_job_id, kind).follow(
            deadline=Deadline(timeout),
            is_complete=lambda: (
                self.get_trial_job(trial_job_id).is_finished or not self._is_running()
            ),
            tail=tail,
        )

    def follow_manager_log(
        self, kind: str = "log", *, tail: int | None = None, timeout: float | None = None
    ) -> Iterator[str]:
        """Return one of the manager's logs in pieces, as it is written, until it has ended.

        Args:
            kind: `log`, `stdout` or `stderr`.
            tail: Of the lines already written, only the last `tail`.
            timeout: Seconds after which to end in any case.

        Raises:
            InvalidValueError: The kind is none of these, or the number of lines is not allowed.
        """
        return self._manager_log(kind).follow(
            deadline=Deadline(timeout), is_complete=lambda: not self._is_running(), tail=tail
        )

    def follow_dispatcher_log(
        self, *, tail: int | None = None, timeout: float | None = None
    ) -> Iterator[str]:
        """Return the log of the tuner's process in pieces, until the manager has ended.

        Args:
            tail: Of the lines already written, only the last `tail`.
            timeout: Seconds after which to end in any case.

        Raises:
            InvalidValueError: The number of lines is not allowed.
        """
        return self._dispatcher_log().follow(
            deadline=Deadline(timeout), is_complete=lambda: not self._is_running(), tail=tail
        )


def _has_text(log: Log) -> bool:
    # Reads only the first piece, as the first line may have gigabytes.
    return any(log.follow(deadline=Deadline(0), is_complete=lambda: True))
