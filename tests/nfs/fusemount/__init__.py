"""Tests of mounts by FUSE."""
