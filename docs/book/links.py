"""Looks at every link of a built site, without a network: links.py SITE. Exit status 1 where one is broken.

Inside: each page, file, picture, style sheet and script that a page names is there, and each anchor too; no two
elements of a page bear one id, each picture has words. Outside: an address has a host and no blanks, and is
https; `-v` lists them, since whether it answers cannot be asked here.
"""

import html.parser
import pathlib
import sys
import urllib.parse

# What names another file, by element.
NAMES = {"a": "href", "link": "href", "img": "src", "script": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(html.parser.HTMLParser):
    """The links and the ids of one page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.twice, self.links, self.faults = set(), set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            (self.twice if attributes["id"] in self.ids else self.ids).add(attributes["id"])
        if tag == "a" and "name" in attributes:
            self.ids.add(attributes["name"])
        link = attributes.get(NAMES.get(tag))
        if link is not None:
            self.links.append(link)
        if tag == "img" and not attributes.get("alt"):
            self.faults.append(f"a picture without words: {link}")


def outside(address):
    """What is wrong with an address that leads out of the site; None if nothing is."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "mailto":
        return None
    if parts.scheme != "https":
        return "not https"
    if "." not in (parts.hostname or ""):
        return "no host"
    return "a blank in it" if any(sign.isspace() for sign in address) else None


def main(site, verbose):
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    broken, addresses, count = [], set(), 0
    for path, page in pages.items():
        name = path.relative_to(site)
        faults = page.faults + [f"the id `{one}` is there twice" for one in sorted(page.twice)]
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                addresses.add(link)
                why = outside(link)
                faults += [f"{link}: {why}"] if why else []
                continue
            count += 1
            # What begins with a slash is right only where the site is the whole of a host, as for 404.html.
            start = site if parts.path.startswith("/") else path.parent
            target = (start / urllib.parse.unquote(parts.path).lstrip("/")).resolve() if parts.path else path.resolve()
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                faults.append(f"{link}: no such file")
            elif parts.fragment and target in pages:
                if urllib.parse.unquote(parts.fragment) not in pages[target].ids:
                    faults.append(f"{link}: no such anchor")
        broken += [f"{name}: {fault}" for fault in faults]
    if not pages or not count:
        broken.append(f"{site}: no page, or no link")
    print("\n".join(sorted(addresses) if verbose else []), end="\n" if verbose else "")
    print(f"{len(pages)} pages, {count} links inside, {len(addresses)} addresses outside, {len(broken)} faults")
    for line in broken:
        print(line, file=sys.stderr)
    return 1 if broken else 0


sys.exit(main(pathlib.Path(sys.argv[1]).resolve(), "-v" in sys.argv[2:]))
