"""The demos: real operators, made by the command line, on the sandbox's real traffic."""
