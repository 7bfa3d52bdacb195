"""The configuration of a daemon: values, layers, reading, errors."""
