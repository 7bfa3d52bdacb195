"""What this machine knows: sockets, processes, addresses, threads."""
