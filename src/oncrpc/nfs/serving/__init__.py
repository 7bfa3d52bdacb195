"""Serving file systems from a Python program, and the commands by which clients mount them."""
