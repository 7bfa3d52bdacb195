"""hosts_access(5): who may call, by hosts.allow and hosts.deny."""
