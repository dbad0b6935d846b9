"""`python -m mnistladder` is the command line."""

from mnistladder.cli import main

main()
