"""Tests against real peers, each in network and mount namespaces of its own."""
