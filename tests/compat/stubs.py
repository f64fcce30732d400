"""In place of libraries, so that no test asks the network."""

from __future__ import annotations

from types import SimpleNamespace

requests = SimpleNamespace(get=lambda url: SimpleNamespace(text=f"content of {url}", json=lambda: {"url": url}))


class Response:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    async def text(self):
        return "content"

    def get(self, url):
        return Response()


aiohttp = SimpleNamespace(ClientSession=Response)
