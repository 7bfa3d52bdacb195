"""The common parts of every daemon: configuration, lock, signals, log, state, web."""
