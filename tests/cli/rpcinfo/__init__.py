"""Tests of rpcinfo."""
