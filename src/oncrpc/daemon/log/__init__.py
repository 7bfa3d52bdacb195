"""Logging to syslog, the journal or a terminal."""
