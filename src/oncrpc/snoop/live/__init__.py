"""Frames of a network interface, captured from now on (packet(7)), without a library."""
