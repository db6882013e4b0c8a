"""`python -m autopilot`."""

from autopilot.cli.main import main

main()
