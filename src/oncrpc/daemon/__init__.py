"""What every daemon of this package is: configuration, lock, signals, log, state, web."""
