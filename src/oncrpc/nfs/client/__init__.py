"""A client of NFS 2 and 3: paths, handles and files of a server, for Python programs."""
