"""The report's page, taken apart: its pictures, URLs and text."""

from __future__ import annotations

import base64
from html.parser import HTMLParser

import cv2
import numpy as np

VOID = {"meta", "link", "img", "br", "line", "circle", "polyline", "rect", "ellipse", "path"}
URL_ATTRIBUTES = {"src", "href", "srcset", "action", "poster", "xlink:href"}


class Page(HTMLParser):
    """Checks that tags nest, and collects pictures, URLs and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: dict[str, str] = {}
        self.urls: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.urls += [value for key, value in values.items() if key in URL_ATTRIBUTES]
        self.ids |= {values["id"]} if "id" in values else set()
        if tag == "img" and values.get("alt"):
            self.pictures[values["alt"]] = values["src"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def decode(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/jpeg;base64,"), validate=True)
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
