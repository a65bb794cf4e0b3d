"""`python -m nnicli`: the same as the command `nnicli`."""

from nnicli.cli import main

main()
