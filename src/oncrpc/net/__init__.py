"""Targets, name look-up, peers, sockets and credentials."""
