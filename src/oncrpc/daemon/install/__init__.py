"""Installing a daemon as a service of this host."""
