"""``nfsd`` as an application of ``oncrpc.daemon``."""
