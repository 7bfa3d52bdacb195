"""Remote quotas (RQUOTA): the quotas of exported file systems, for those whom they concern."""
