"""A directory of this host as a file system that NFS exports."""
