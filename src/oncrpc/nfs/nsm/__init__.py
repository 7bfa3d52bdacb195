"""The status monitor (NSM): hosts that are watched, and notices that a host has restarted."""
