"""Explains why a mount fails, from what was seen on the network."""
