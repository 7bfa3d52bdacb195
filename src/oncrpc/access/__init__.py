"""Who may do what: rules, hosts_access(5), rate limits."""
