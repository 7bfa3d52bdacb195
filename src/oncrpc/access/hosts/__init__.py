"""hosts_access(5): the files, their rules, and libwrap."""
