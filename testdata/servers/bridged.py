"""The WSGI application as an ASGI application."""
from a2wsgi import WSGIMiddleware
from bare import application as wsgi

application = WSGIMiddleware(wsgi)
