"""A strict look at a rendered page."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "hr", "rect", "line", "use", "path", "circle"}


class Markup(HTMLParser):
    """Collects what a page must not have: `problems`; and the elements that a browser would make of it."""

    def __init__(self, html: str):
        super().__init__()
        self.problems: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.ids: list[str] = []
        self.feed(html)
        if self.open:
            self.problems.append(f"left open: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        given = dict(attrs)
        if tag == "style" or "style" in given:
            self.problems.append(f"inline style in {tag}")
        if tag == "script" and not given.get("src"):
            self.problems.append("inline script")
        self.problems += [f"{name} in {tag}" for name in given if name.startswith(("on", "hx-on"))]
        self.ids += [given["id"]] if given.get("id") else []
        if tag not in VOID and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> closes something else")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.strip():
            self.problems.append("script with a body")

    def values(self, name: str) -> list[str]:
        return [value for _, found, value in self.attributes if found == name]
