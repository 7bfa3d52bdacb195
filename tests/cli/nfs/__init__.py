"""Tests of nfs."""
