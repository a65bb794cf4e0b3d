"""The REST API of NNI 3.0, route by route."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from nnicli.testing.fake_node.manager import ApiError, Manager, NeverAnsweredError
from nnicli.testing.fake_node.registry import RegistryUnusableError, read_registry

WEB_PAGE = "<!doctype html><html><head><title>Neural Network Intelligence</title></head></html>"
_JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """A request below the API's root."""

    method: str
    path: str
    query: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"


def answer(manager: Manager, request: Request) -> Reply:
    """Return the response to a request; a GET without a route gets the web page.

    Raises:
        NeverAnsweredError: The real manager would never answer.
    """
    for method, pattern, handler in _ROUTES:
        match = re.fullmatch(pattern, request.path)
        if match and method == request.method:
            try:
                return _to_reply(handler(manager, request, *map(unquote, match.groups())))
            except ApiError as error:
                body = json.dumps({"error": str(error)}).encode()
                return Reply(body, error.status, _JSON)
    if request.method == "GET":
        return Reply(WEB_PAGE.encode())
    return Reply(b"Not Found", 404, _JSON)


def _to_reply(result: Any) -> Reply:
    if isinstance(result, Reply):
        return result
    if result is None:
        return Reply()
    return Reply(json.dumps(result, separators=(",", ":")).encode(), 200, _JSON)


def _check_status(manager: Manager, _request: Request) -> Any:
    return {"status": manager.status, "errors": manager.errors}


def _version(manager: Manager, _request: Request) -> Any:
    return Reply(manager.version.encode(), 200, _JSON)


def _get_experiment(manager: Manager, _request: Request) -> Any:
    return manager.current_profile()


def _post_experiment(manager: Manager, request: Request) -> Any:
    rejection = manager.behaviour.rejects_post
    if rejection is not None:
        raise ApiError(rejection.error, status=rejection.status)
    return manager.start(_json_object(request))


def _put_experiment(manager: Manager, request: Request) -> Any:
    manager.update(request.query.get("update_type", ""), _json_object(request).get("params", {}))


def _delete_experiment(manager: Manager, _request: Request) -> Any:
    manager.request_stop()


def _import_data(manager: Manager, request: Request) -> Any:
    manager.import_data(request.body)


def _imported_data(manager: Manager, _request: Request) -> Any:
    return manager.journal.imported


def _job_statistics(manager: Manager, _request: Request) -> Any:
    counts: dict[str, int] = {}
    for trial in manager.journal.trials.values():
        counts[trial.status] = counts.get(trial.status, 0) + 1
    return [
        {"trialJobStatus": status, "trialJobNumber": number} for status, number in counts.items()
    ]


def _list_trials(manager: Manager, request: Request) -> Any:
    wanted = request.query.get("status")
    trials = manager.journal.trials.values()
    return [_show(manager, trial.id) for trial in trials if wanted in (None, trial.status)]


def _get_trial(manager: Manager, _request: Request, trial_id: str) -> Any:
    # An unknown id gets 200 and an empty body.
    return _show(manager, trial_id) if trial_id in manager.journal.trials else None


def _show(manager: Manager, trial_id: str) -> dict[str, Any]:
    release = manager.release
    return manager.journal.trials[trial_id].to_json(
        log_path_prefix=release.log_path_prefix, environment_id=release.environment_id
    )


def _post_trial(manager: Manager, request: Request) -> Any:
    return {"sequenceId": manager.add_custom_trial(request.body)}


def _delete_trial(manager: Manager, _request: Request, trial_id: str) -> Any:
    manager.cancel_trial(trial_id)


def _metric_data(manager: Manager, request: Request, trial_id: str | None = None) -> Any:
    wanted = request.query.get("type")
    return [
        row
        for row in manager.journal.metrics
        if trial_id in (None, row["trialJobId"]) and wanted in (None, row["type"])
    ]


def _metric_range(manager: Manager, _request: Request, lowest: str, highest: str) -> Any:
    trials = manager.journal.trials
    return [
        row
        for row in manager.journal.metrics
        if int(lowest) <= trials[row["trialJobId"]].sequence_id <= int(highest)
    ]


def _latest_metrics(manager: Manager, _request: Request) -> Any:
    metrics = manager.journal.metrics
    latest = {row["trialJobId"]: row for row in metrics if row["type"] == "PERIODICAL"}
    return [row for row in metrics if row["type"] == "FINAL"] + list(latest.values())


def _export_data(manager: Manager, _request: Request) -> Any:
    return [
        {
            "parameter": trial.hyper_parameters["parameters"],
            # Decoded once, so a text that is itself JSON stays a text.
            "value": json.loads(trial.finals[0]["data"]),
            "trialJobId": trial.id,
        }
        for trial in manager.journal.trials.values()
        if trial.status == "SUCCEEDED" and trial.finals
    ]


def _trial_file(manager: Manager, _request: Request, trial_id: str, name: str) -> Any:
    trial = manager.journal.trials.get(trial_id)
    # In 3.0 the API's names of the two outputs differ from the file names.
    release = manager.release
    file = {"stdout": release.stdout, "stderr": release.stderr}.get(name, name)
    if trial is None or "/" in name or not (trial.directory / file).is_file():
        raise ApiError(f"ENOENT: no such file or directory, open '{name}'")
    content = (trial.directory / file).read_bytes() or f"{name} is empty.".encode()
    return Reply(content, 200, "application/octet-stream")


def _experiments_info(_manager: Manager, _request: Request) -> Any:
    try:
        return list(read_registry().values())
    except RegistryUnusableError as fault:
        raise ApiError(str(fault)) from fault


def _experiment_metadata(manager: Manager, _request: Request) -> Any:
    try:
        return read_registry()[manager.arguments.experiment_id]
    except (RegistryUnusableError, KeyError) as error:
        raise NeverAnsweredError from error


def _post_tensorboard(_manager: Manager, _request: Request) -> Any:
    raise ApiError("Tensorboard is not installed", status=400)


def _tensorboard(_manager: Manager, _request: Request, _task_id: str) -> Any:
    raise ApiError("Tensorboard task not found")


def _tensorboard_tasks(_manager: Manager, _request: Request) -> Any:
    return []


def _delete_tensorboard_tasks(_manager: Manager, _request: Request) -> Any:
    return None


def _json_object(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(request.body)
    except ValueError as error:
        raise ApiError("the body is not JSON", status=400 if request.body else 500) from error
    if not isinstance(document, dict):
        raise ApiError("the body is not a JSON object")
    return document


_ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("GET", "/check-status", _check_status),
    ("GET", "/version", _version),
    ("GET", "/experiment", _get_experiment),
    ("POST", "/experiment", _post_experiment),
    ("PUT", "/experiment", _put_experiment),
    ("DELETE", "/experiment", _delete_experiment),
    ("POST", "/experiment/import-data", _import_data),
    ("GET", "/experiment/imported-data", _imported_data),
    ("GET", "/job-statistics", _job_statistics),
    ("GET", "/trial-jobs", _list_trials),
    ("GET", "/trial-jobs/([^/]+)", _get_trial),
    ("POST", "/trial-jobs", _post_trial),
    ("DELETE", "/trial-jobs/([^/]+)", _delete_trial),
    ("GET", "/metric-data", _metric_data),
    ("GET", "/metric-data/([^/]+)", _metric_data),
    ("GET", "/metric-data-range/([0-9]+)/([0-9]+)", _metric_range),
    ("GET", "/metric-data-latest", _latest_metrics),
    ("GET", "/export-data", _export_data),
    ("GET", "/trial-file/([^/]+)/([^/]+)", _trial_file),
    ("GET", "/experiments-info", _experiments_info),
    ("GET", "/experiment-metadata", _experiment_metadata),
    ("POST", "/tensorboard", _post_tensorboard),
    ("GET", "/tensorboard/([^/]+)", _tensorboard),
    ("PUT", "/tensorboard/([^/]+)", _tensorboard),
    ("DELETE", "/tensorboard/([^/]+)", _tensorboard),
    ("GET", "/tensorboard-tasks", _tensorboard_tasks),
    ("DELETE", "/tensorboard-tasks", _delete_tensorboard_tasks),
)
