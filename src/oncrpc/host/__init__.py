"""Facts about this machine: sockets, processes, addresses, threads."""
