"""Looks at a page in headless Chromium, as a browser has read it, and prints what is there.

usage: page.py PAGE.html [SCREENSHOT.png]; exit code 77 where there is no Chromium"""
import html.parser
import pathlib
import shutil
import subprocess
import sys

browser = next(filter(None, map(shutil.which, ["chromium-headless-shell", "chromium", "chromium-browser"])), None)
if not browser:
    print("skipped: no Chromium")
    sys.exit(77)
url = pathlib.Path(sys.argv[1]).resolve().as_uri()
flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1280,1600"]
if len(sys.argv) > 2:
    subprocess.run([browser, *flags, "--screenshot=" + sys.argv[2], url], check=True, stderr=subprocess.PIPE)
    data = pathlib.Path(sys.argv[2]).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 10000, len(data)
result = subprocess.run([browser, *flags, "--dump-dom", url], check=True, capture_output=True, text=True, timeout=120)
complaints = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
assert not complaints, complaints


class Counter(html.parser.HTMLParser):
    counts: dict = {}

    def handle_starttag(self, tag, attributes):
        names = (dict(attributes).get("class") or "").split()
        for name in [tag] + [tag + "." + n for n in names]:
            self.counts[name] = self.counts.get(name, 0) + 1


Counter().feed(result.stdout)
for name, count in sorted(Counter.counts.items()):
    print(name, count)
