"""Integrations with web frameworks, one module each; nothing in the core imports them."""
