"""Access control: rules, hosts_access(5), rate limits."""
