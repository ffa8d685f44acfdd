"""Beside a stock PocketBase: its hook file, and what that file and a manager say to each other."""
