"""A mounted directory of a server as a FUSE file system: ``nfs mount``, without root."""
