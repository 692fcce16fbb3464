"""Lays out the pages of the book: stage.py OUT.

The book has the repository's own Markdown files, each where the repository has it, so that a link between them
leads to the same place on a code forge and in the book. `docs/SUMMARY.md` says which; files of other kinds are
taken along where a page links to them. Four things differ from the repository:

- SUMMARY.md lies at the top, where mdBook wants it, with its links from there;
- each README.md is index.md, which a web server hands out for its directory;
- `<!-- picture NAME: WORDS -->`, which a forge does not show, becomes the picture OUT/pages/pictures/NAME.*;
- of a rule's example the file that it stands for is told before it, and its language is one that is highlighted.
"""

import pathlib
import posixpath
import re
import shutil
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
PICTURE = re.compile(r"<!-- picture ([a-z-]+): (.+?) -->")
FENCE = re.compile(r"(?m)^(?:```|~~~)")
# The first line of a rule's example: `env,bad,file=/etc/myapp.env`.
EXAMPLE = re.compile(r"(?m)^```([a-z]+),(bad|fixed|good)(?:,(\S+))?$")
LANGUAGES = {"env": "properties", "proc": "plaintext", "tree": "plaintext", "text": "plaintext"}
FRONT = re.compile(r"(^|/)README\.md\b")


def named(path):
    """A page's path in the book."""
    return FRONT.sub(r"\1index.md", path)


def with_links(text, change):
    """The page with each link as `change` says; what stands between fences is an example and stays."""
    parts = FENCE.split(text)
    fences = FENCE.findall(text) + [""]
    whole = ""
    for at, (part, fence) in enumerate(zip(parts, fences)):
        whole += part if at % 2 else LINK.sub(lambda match: f"]({change(match[1])})", part)
        whole += fence
    return whole


def contents():
    """SUMMARY.md as it is read from the repository's top, and the pages that it names."""
    pages = []

    def from_the_top(target):
        pages.append(posixpath.normpath(posixpath.join("docs", target)))
        return named(pages[-1])

    return with_links((TOP / "docs/SUMMARY.md").read_text(), from_the_top), pages


def picture(pictures, page):
    """What stands in place of a picture's comment."""

    def shown(match):
        name, words = match.groups()
        files = sorted(pictures.glob(f"{name}.*"))
        if len(files) != 1:
            sys.exit(f"{page}: the picture `{name}` is there {len(files)} times in {pictures}")
        up = posixpath.relpath("pictures", posixpath.dirname(page) or ".")
        return f"![{words}]({up}/{files[0].name})"

    return shown


def example(match):
    """An example's first line as the book has it, and before it what its other words say."""
    language, kind, more = match.groups()
    words = [word.removeprefix("file=") for word in (more or "").split(",") if word]
    told = "".join(f"`{word}` " if word.startswith("/") else f"{word} " for word in words).strip()
    return f"{told}\n\n" * bool(told) + f"```{LANGUAGES.get(language, language)},{kind}"


def main(out):
    pages_at = out / "pages"
    summary, pages = contents()
    (pages_at / "SUMMARY.md").write_text(summary)
    for page in pages:
        linked = []

        def in_the_book(target):
            linked.append(target.split("#")[0])
            return target if ":" in target else named(target)

        text = with_links((TOP / page).read_text(), in_the_book)
        text = EXAMPLE.sub(example, text)
        at = pages_at / named(page)
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_text(PICTURE.sub(picture(pages_at / "pictures", page), text))
        for target in linked:
            name = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            if not name.startswith("..") and not name.endswith(".md") and (TOP / name).is_file():
                (pages_at / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(TOP / name, pages_at / name)
    for name in "book.toml", "pages.css", "pages.js":
        shutil.copyfile(TOP / "docs/book" / name, out / name)


main(pathlib.Path(sys.argv[1]))
