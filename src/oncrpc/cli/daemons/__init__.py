"""Commands about a daemon of this host, for every kind of daemon."""
