"""Remote quotas (RQUOTA): the quotas of exported file systems."""
