"""Django's development server, on a socket that the parent holds, so that requests wait while the child restarts."""

from __future__ import annotations

import socket
import threading

from django.apps import apps
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application

DEFAULT_PORT = 8000


def listen(address: str) -> socket.socket:
    """A socket that listens at `address`: `host:port`, `port`, `[::1]:port`. Raises OSError when it is taken."""
    host, port = parsed(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=128)


def parsed(address: str) -> tuple[str, int]:
    """Host and port of `address`. Raises ValueError when there is no port number in it."""
    host, colon, port = address.rpartition(":")
    if not colon and not port.isdigit():
        host, port = port, str(DEFAULT_PORT)
    return host.strip("[]") or "127.0.0.1", int(port)


def url_of(listener: socket.socket) -> str:
    """The address to type into a browser on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class WebServer(ThreadedWSGIServer):
    """Serves Django's WSGI application, and the static files straight from their apps, in threads."""

    def __init__(self, listener: socket.socket):
        host, port = listener.getsockname()[:2]
        super().__init__((host, port), WSGIRequestHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = host, port
        self.setup_environ()
        application = get_internal_wsgi_application()
        if apps.is_installed("django.contrib.staticfiles"):
            application = StaticFilesHandler(application)
        self.set_app(application)

    def start(self) -> None:
        threading.Thread(target=self.serve_forever, args=(0.1,), name="durable-web", daemon=True).start()

    def stop(self) -> None:
        """Take no more requests; those in work are abandoned with the process."""
        self.shutdown()
        self.server_close()
