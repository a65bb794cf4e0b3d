"""Why an experiment failed, by the logs of its manager, its tuner and its trials."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from nnicli.errors import (
    ExperimentFailedError,
    NoMetricError,
    NoTrialSucceededError,
    RestError,
    TrialLogNotAvailableError,
    TunerCrashedError,
    TunerTooSlowError,
)
from nnicli.models import TrialJob, TrialJobStatus
from nnicli.redaction import redact
from nnicli.session.link import Session
from nnicli.session.outlook import Snapshot
from nnicli.store import has_lost_connection, platform_of

# Words of managers about a tuner that was lost or never connected (1.9 to 3.0).
_TUNER_WORDS = ("uner", "ispatcher")
# 2.8 to 3.0 give up after 10 s, which cannot be configured.
_TOO_SLOW = "Tuner did not connect in 10 seconds"
_MOST_CHARACTERS = 4000
# Settings that may keep trials from starting.
_DECISIVE = ("reuseMode", "trialGpuNumber", "nniManagerIp", "trialCommand")
_KINDS = ("stderr", "trial", "stdout")


def failure(
    session: Session, what: str, *, errors: Sequence[str] = (), crash: str = ""
) -> ExperimentFailedError:
    """Return the error for an experiment that cannot go on; a crashed tuner has its own type.

    Args:
        session: The experiment.
        what: What was noticed.
        errors: What the manager reported.
        crash: The traceback with which its tuner ended, empty if none was seen.
    """
    said = f"experiment {session.exp_id} cannot go on: {what}"
    if crash and not has_lost_connection(crash):
        message = f"{said}; its tuner raised:\n{quote(crash)}"
        return TunerCrashedError(message, errors=errors, log_tail=quote(crash))
    cause = session.evidence.manager_error()
    if any(_TOO_SLOW in text for text in (*errors, cause)) and not session.evidence.tuner_error():
        return TunerTooSlowError(f"{said}; {_too_slow()}", errors=errors)
    if _is_of_tuner(session, (*errors, cause)):
        log_tail = quote(session.evidence.crash_log() or cause)
        hint = f"; the end of the log:\n{log_tail}" if log_tail else ""
        return TunerCrashedError(said + hint, errors=errors, log_tail=log_tail)
    if cause:
        said += f"; the first error in its log:\n{quote(cause)}"
    elif log_tail := session.evidence.crash_log():
        said += f"; the end of the log:\n{quote(log_tail)}"
    return ExperimentFailedError(said, errors=errors)


def _is_of_tuner(session: Session, errors: Sequence[str]) -> bool:
    if any(word in error for error in errors for word in _TUNER_WORDS):
        return True
    if any(errors) or session.process is None:
        return False
    if session.manager_is_gone():
        return session.evidence.died_with_tuner()
    return session.process.tuner() is None


def _too_slow() -> str:
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    return (
        "the tuner logged no error and had not connected after the 10 s that this manager allows, "
        f"so the machine is too slow or too busy (load {load:.1f} on {processors} processors), "
        "or the tuner's imports take too long; start it again when the machine is less busy"
    )


def nothing_succeeded(session: Session, counts: Mapping[str, int]) -> NoTrialSucceededError:
    """Return the error for an experiment that is over and in which no trial succeeded."""
    counted = ", ".join(f"{number} {status}" for status, number in counts.items()) or "no trial"
    message = f"experiment {session.exp_id} is over and no trial succeeded ({counted})"
    failed = session.client.list_trial_jobs(status=TrialJobStatus.FAILED)
    if failed:
        message += f"; {last_words(session, failed[0])}"
    elif not counts:
        message += (
            "; the tuner generated no parameter set: see dispatcher.log, and check whether "
            "the search space is empty"
        )
    return NoTrialSucceededError(message)


def no_metric(session: Session, succeeded: Sequence[TrialJob]) -> NoMetricError:
    """Return the error for trials that succeeded without a number to compare."""
    kinds = {_kind_of_metric(trial) for trial in succeeded}
    return NoMetricError(
        f"experiment {session.exp_id} is over, {len(succeeded)} trials succeeded, and none "
        f"reported a number as its final metric (found: {', '.join(sorted(kinds))}); call "
        'nni.report_final_result() with a number, or with a dict that has a number as "default", '
        "once in every trial"
    ).with_advice(
        "if no metric is wanted, pass allow_no_metric=True",
        shell="if no metric is wanted, pass --allow-no-metric",
    )


def _kind_of_metric(trial: TrialJob) -> str:
    if not trial.finalMetricData:
        return "no final metric at all"
    data: Any = trial.finalMetricData[0].data
    if isinstance(data, dict):
        return 'a dict with NaN as "default"' if trial.final_value else 'a dict without "default"'
    return "NaN" if trial.final_value is not None else type(data).__name__


def last_words(session: Session, trial: TrialJob) -> str:
    """Return how a failed trial ended: its exit code and the ends of its logs, as far as known."""
    name = f"trial {trial.trialJobId}"
    code = session.exit_code_of(trial)
    ended = f"{name} ended" + ("" if code is None else f" with exit code {code}")
    try:
        kinds = [kind for kind in _KINDS if kind in session.client.dialect.trial_files]
        texts = {kind: session.client.trial_log(trial.trialJobId, kind).strip() for kind in kinds}
    except TrialLogNotAvailableError as error:
        return f"{ended}; its output is on another machine, at {error.location}"
    except RestError as error:
        # The failure matters; its log is an extra.
        return f"{ended}; its log cannot be read ({error})"
    if texts["stderr"]:
        return f"{ended}, and its stderr with:\n{quote(texts['stderr'])}"
    written = [f"the end of its {kind}:\n{quote(text)}" for kind, text in texts.items() if text]
    return "; ".join((f"{ended}, with nothing in its stderr", *written))


def starvation(session: Session, snapshot: Snapshot, waited_s: float) -> str:
    """Return what is known about an experiment in which no trial runs, although one should."""
    facts = [
        f"no trial has run for {waited_s:.0f} s ({snapshot.waiting} waiting)",
        f"training service {platform_of(snapshot.params) or 'unknown'}",
        *(f"{key} {value}" for key, value in _settings(snapshot.params).items()),
    ]
    text = ", ".join(facts)
    if snapshot.waiting == 0 and snapshot.trials == 0:
        text += "; the tuner has generated nothing yet, dispatcher.log may say why"
    else:
        text += (
            "; check that the machines can be reached and can reach this one (nniManagerIp), have "
            "the python that the trial command calls, and have as many free GPUs as a trial needs"
        )
    trouble = session.evidence.manager_trouble()
    return f"{text}; its manager's log says:\n{quote(trouble)}" if trouble else text


def _settings(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that may keep trials from starting; none is a secret."""
    services = params.get("trainingService")
    services = services if isinstance(services, list) else [services]
    found: dict[str, Any] = {}
    for source in (params, *(service for service in services if isinstance(service, dict))):
        found |= {key: source[key] for key in _DECISIVE if source.get(key) is not None}
        machines = source.get("machineList")
        machines = machines if isinstance(machines, list) else []
        named = [one for one in machines if isinstance(one, dict) and one.get("pythonPath")]
        pythons = [str(one["pythonPath"]) for one in named]
        found |= {"pythonPath": ", ".join(pythons)} if pythons else {}
    return found


def quote(text: str) -> str:
    """Return the end of a log, without secrets, for a message."""
    # Redacted before the cut: half a secret would no longer be recognized.
    hidden = redact(text)
    return hidden if len(hidden) <= _MOST_CHARACTERS else f"...{hidden[-_MOST_CHARACTERS:]}"
