"""`python -m polycloud` is the command `polycloud`."""

from polycloud.cli.main import main

main()
