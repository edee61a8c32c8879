"""What a page is made of, read without a browser."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "img", "input", "br", "hr", "col", "source", "wbr", "area", "base", "embed", "track"}


class Structure(HTMLParser):
    """What a page is made of, read without mercy: tags must close, ids and attributes must be unique.

    ``links`` are those that a reader follows, ``loaded`` what the browser fetches by itself.
    """

    def __init__(self, path):
        super().__init__()
        self.open, self.ids, self.labels, self.fields = [], [], [], []
        self.links, self.loaded, self.headings, self.faults = [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if len(values) < len(attributes):
            self.faults.append(f"attribute twice in <{tag} {attributes}>")
        if tag not in VOID:
            self.open.append(tag)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if tag == "a" and "href" in values else []
        self.loaded += [values[name] for name in ("src", "href", "srcset") if name in values and tag != "a"]
        self.labels += [values.get("for")] if tag == "label" else []
        self.fields += [values.get("id")] if tag in ("input", "select", "textarea") else []
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)  # <img … />: nothing is opened

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing at {self.getpos()}")
