"""Tests of ``oncrpc.nfs.nsm``."""
