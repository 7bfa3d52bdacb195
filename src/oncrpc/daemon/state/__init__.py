"""The state of a daemon on disk."""
