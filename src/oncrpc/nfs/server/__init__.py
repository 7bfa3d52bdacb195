"""The programs MOUNT and NFS: from a call to the file system and back."""
