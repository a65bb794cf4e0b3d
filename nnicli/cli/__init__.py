"""The command `nnicli`: the only place that prints and exits.

Internal: scripts use the command, not its modules.
"""

from nnicli.cli.application import main as main
