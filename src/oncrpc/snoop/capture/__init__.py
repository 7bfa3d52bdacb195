"""Capture files: frames, IP datagrams, and the TCP segments and UDP datagrams in them."""
