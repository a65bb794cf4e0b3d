"""`nnicli run`: an experiment from its config to its results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from nnicli.cli.exits import HELP, code_for, code_for_signal, describe_signal
from nnicli.cli.output import open_output, print_json
from nnicli.errors import ConfigError, NnicliError, TrialsNotStartedError, WaitTimeoutError

if TYPE_CHECKING:
    # Loaded by the command itself: `nnicli --version` and `--help` are to answer at once.
    from rich.console import Console

    from nnicli import Experiment
    from nnicli.cli.report import Report
    from nnicli.cli.signals import Interrupts

# A look costs the manager a scan of its database, so looks take up a small part of the time.
_LOOK_INTERVAL_S = 0.5
_LOOK_SHARE = 0.1


@click.command(epilog=HELP, short_help="Start an experiment, wait for its end, print the results.")
@click.argument("config", type=click.Path(), metavar="CONFIG")
@click.option("--port", type=int, help="Port of the manager.  [default: first free from 8080]")
@click.option("--nni", metavar="PATH", help="Virtual environment, python or nni_node of the NNI.")
@click.option("--experiments-directory", metavar="DIR", help="Parent of the experiment's folder.")
@click.option("--url-prefix", metavar="PREFIX", help="Path below which the manager serves.")
@click.option("--timeout", metavar="DURATION", help="Stop after that long, such as 90s or 2h.")
@click.option(
    "--start-timeout",
    metavar="DURATION",
    help="Stop when trials have waited that long while none ran.  [default: only warn]",
)
@click.option(
    "--allow-no-metric",
    is_flag=True,
    help="Succeed also when no trial reports a number as its final metric.",
)
@click.option("--debug", is_flag=True, help="Let the manager log at level debug.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document at the end.")
def run(config: str, *, as_json: bool, **options: Any) -> None:
    """Start the experiment of CONFIG, show its progress, print its results, stop it.

    Results go to standard output, progress and messages to standard error. Ctrl-C and SIGTERM stop
    the experiment cleanly.
    """
    from rich.console import Console

    from nnicli.cli.report import Report, print_report, to_document

    messages = Console(stderr=True)
    report = Report()
    _run(config, report, messages, **options)
    if as_json:
        print_json(to_document(report))
    else:
        print_report(open_output(), report)
    _tell_error(report)
    raise SystemExit(report.exit_code)


def _tell_error(report: Report) -> None:
    from rich.console import Console

    from nnicli.cli.problems import print_problem

    problems = report.error.problems if isinstance(report.error, ConfigError) else ()
    if problems:
        # The first line says how many; each is shown with its own.
        title, *_ = report.error_text.splitlines()
        click.echo(f"nnicli: {title}", err=True)
        for problem in problems:
            print_problem(Console(stderr=True, highlight=False), problem)
    elif report.error_text:
        click.echo(f"nnicli: {report.error_text}", err=True)


def _run(config: str, report: Report, messages: Console, **options: Any) -> None:
    """Do all of it; whatever happens is in the report afterwards."""
    from nnicli.cli.display import ConsoleHandler
    from nnicli.cli.signals import Interrupted, interruptible

    def tell_stopping() -> None:
        messages.print("already stopping, which may take some seconds ...")

    with ConsoleHandler(messages), interruptible(tell_stopping) as interrupts:
        try:
            _run_experiment(config, report, messages, interrupts, **options)
        except NnicliError as error:
            report.error, report.error_text = error, str(error)
            report.exit_code = code_for(error)
        except Interrupted as error:
            report.error = error
    if interrupts.received is not None:
        report.exit_code = code_for_signal(interrupts.received)
        report.error_text = f"stopped by {describe_signal(interrupts.received)}"


def _run_experiment(
    config: str,
    report: Report,
    messages: Console,
    interrupts: Interrupts,
    *,
    port: int | None,
    debug: bool,
    timeout: str | None,
    start_timeout: str | None,
    allow_no_metric: bool,
    nni: str | None,
    experiments_directory: str | None,
    url_prefix: str | None,
) -> None:
    from nnicli import Experiment
    from nnicli.units import parse_duration

    limit_s = None if timeout is None else parse_duration(timeout, field="--timeout")
    start_s = (
        None if start_timeout is None else parse_duration(start_timeout, field="--start-timeout")
    )
    experiment = Experiment(
        nni=nni, experiments_directory=experiments_directory, url_prefix=url_prefix
    )
    try:
        with interrupts.raising():
            experiment.start_experiment(config, port, debug)
            _follow(
                experiment,
                report,
                messages,
                interrupts,
                limit_s=limit_s,
                start_timeout=start_s,
                allow_no_metric=allow_no_metric,
            )
    finally:
        # From here on signals are only noted: a stop that is cut off would leave things behind.
        if experiment.endpoint is not None:
            messages.print("stopping ...")
            experiment.stop_experiment()
            report.trials = experiment.list_trial_jobs()


def _follow(
    experiment: Experiment,
    report: Report,
    messages: Console,
    interrupts: Interrupts,
    *,
    limit_s: float | None,
    **ending: Any,
) -> None:
    """Show the progress until the experiment has come to its end."""
    from nnicli.cli.display import open_display
    from nnicli.cli.progress import Watcher
    from nnicli.waiting import Deadline

    watcher = Watcher(experiment)
    report.exp_id, report.mode = experiment.exp_id, watcher.mode
    report.name = experiment.get_experiment_profile()["params"].get("experimentName")
    heading = " ".join(part for part in (report.name, report.exp_id, experiment.endpoint) if part)
    if not messages.is_terminal:
        messages.print(f"started {heading}", markup=False, highlight=False, soft_wrap=True)
    display = open_display(messages, heading)
    deadline, pause_s, is_over = Deadline(limit_s), 0.0, False
    try:
        while not is_over:
            interrupts.check()
            try:
                status = experiment.wait(timeout=min(pause_s, deadline.remaining_s), **ending)
                report.status = status.value
                is_over = True
            except TrialsNotStartedError:
                raise
            except WaitTimeoutError as error:
                report.status = error.status
            look = Deadline(None)
            display.show(watcher.look(report.status))
            report.elapsed_s = deadline.waited_s
            if not is_over and deadline.expired:
                raise WaitTimeoutError(
                    f"the time limit of {limit_s:.0f} s is reached; the experiment was stopped",
                    waited_s=deadline.waited_s,
                    status=report.status,
                )
            pause_s = max(_LOOK_INTERVAL_S, look.waited_s / _LOOK_SHARE)
    finally:
        display.close()
