"""File systems that can be exported: implementations of ``oncrpc.nfs.filesystem``."""
