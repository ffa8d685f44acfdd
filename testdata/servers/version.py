"""What is edited under a reloader."""
VERSION = 0
