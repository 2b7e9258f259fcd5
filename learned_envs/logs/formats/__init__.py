"""The formats that recordings are read from, one file each."""
