"""The NFS server: versions 2 and 3 (RFC 1094, RFC 1813) over any file system."""
