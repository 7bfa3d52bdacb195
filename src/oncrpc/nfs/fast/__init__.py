"""Calls of NFS version 3 that are answered at once, from a file that is open already."""
