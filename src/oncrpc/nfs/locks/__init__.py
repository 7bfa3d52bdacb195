"""Locks of files: which bytes, whose, who waits, and what outlives the server."""
