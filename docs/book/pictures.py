"""Makes the pictures of the book: pictures.py DOCTOR OUT.

Each is the real output of a command over testdata/: of a terminal as SVG, whose words stay text, and the HTML
report as a browser shows it (pictures.mjs). None is committed; a build makes them anew, so that none is old.
"""

import io
import pathlib
import subprocess
import sys

import rich.console
import rich.terminal_theme
import rich.text

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
GUIDE = ["--root", "testdata/guide"]
# The picture's name, what is typed, and the exit status that it has to have.
TERMINALS = [
    ("check", ["check", *GUIDE], 1),
    ("fix", ["fix", *GUIDE], 1),
]
COLUMNS = 112
# rich's own frame asks another host for a font; this one takes what the reader has.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {terminal_width} {terminal_height}" \
xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; \
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}
</defs>
<rect fill="#1e1e1e" x="0" y="0" width="{terminal_width}" height="{terminal_height}" rx="8"/>
<g transform="translate(8, 8)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""
THEME = rich.terminal_theme.TerminalTheme(
    (30, 30, 30),
    (220, 220, 220),
    [(0, 0, 0), (229, 92, 92), (106, 190, 105), (222, 184, 65), (92, 148, 229), (198, 120, 221), (86, 182, 194), (220, 220, 220)],
    [(118, 118, 118), (255, 110, 110), (130, 210, 130), (240, 205, 90), (110, 168, 254), (214, 143, 235), (110, 205, 215), (255, 255, 255)],
)


def ran(doctor, words, status):
    """What the command prints in colours; another exit status than was said ends the build."""
    done = subprocess.run([doctor, *words, "--color", "always"], cwd=TOP, capture_output=True, text=True)
    if done.returncode != status:
        sys.exit(f"{' '.join(words)}: exit status {done.returncode}, not {status}\n{done.stderr}")
    return done.stdout


def terminal(doctor, name, words, status, out):
    """OUT/NAME.svg: the command as it is typed, and what it prints."""
    console = rich.console.Console(width=COLUMNS, record=True, file=io.StringIO(), legacy_windows=False)
    console.print(rich.text.Text(f"$ deploy-doctor {' '.join(words)}", style="bold"))
    # Two columns are left, where a bold font is wider than rich takes it for.
    console.print(rich.text.Text.from_ansi(ran(doctor, words, status)), width=COLUMNS - 2)
    (out / f"{name}.svg").write_text(console.export_svg(title="", theme=THEME, code_format=FRAME, unique_id=name))


def main(doctor, modules, out):
    out.mkdir(parents=True, exist_ok=True)
    for name, words, status in TERMINALS:
        terminal(doctor, name, words, status, out)
    report = out.parent / "report.html"
    written = [doctor, "check", *GUIDE, "--quiet", "--fail-on", "never", "--output", f"html={report}"]
    subprocess.run(written, cwd=TOP, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["node", TOP / "docs/book/pictures.mjs", modules, report, out], check=True)
    report.unlink()


main(*(pathlib.Path(word).resolve() for word in sys.argv[1:4]))
