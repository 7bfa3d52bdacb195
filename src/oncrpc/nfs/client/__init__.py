"""A client for NFS versions 2 and 3: the files of a server, by path or handle."""
