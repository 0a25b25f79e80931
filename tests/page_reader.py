"""A page of HTML as its elements, its text and its tables, read by Python's own parser."""

from html.parser import HTMLParser

EMPTY = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """The elements of a page with their attributes, in order; fails on one that is closed wrongly."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.title = ""
        self.tables: list[list[list[str]]] = []  # of each, the cells of each row
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in EMPTY:
            self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self._open[-1:] == ["title"]:
            self.title += data
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]
