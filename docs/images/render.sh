#!/bin/sh
# Renders the comments of tests/fixtures/previews as pictures, in a light and a dark theme.
# Requires Node, npm, and Debian's packages chromium-headless-shell (or chromium), fonts-noto-core
# and fonts-dejavu-core. Installs a Markdown renderer into a temporary directory.
# docs/images/render.sh [NAME...]
set -eu
cd "$(dirname "$0")/../.."

for browser in chromium-headless-shell chromium; do
  if command -v "$browser" >/dev/null; then break; fi
done
if ! command -v "$browser" >/dev/null; then
  echo "render.sh: apt-get install chromium-headless-shell fonts-noto-core fonts-dejavu-core" >&2
  exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-save --prefix "$work" marked@16.4.2 github-markdown-css@5.8.1

WIDTH=900

# browse OPTION...: one page without a sandbox, which root cannot have.
browse() {
  "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars \
    --user-data-dir="$work/profile" "$@" "file://$work/page.html" 2>/dev/null
}

# page THEME COMMENT: a page that knows its own height.
page() {
  echo '<!doctype html><meta charset="utf-8"><style>'
  cat "$work/node_modules/github-markdown-css/github-markdown-$1.css"
  echo 'body { margin: 0; } .markdown-body { padding: 24px; font-size: 14px; }'
  echo '</style><body><article class="markdown-body">'
  # As forges do in comments, a line break is kept.
  "$work/node_modules/.bin/marked" --gfm --breaks <"$2"
  echo '</article><script>document.title = "height "'
  echo '+ Math.ceil(document.querySelector("article").getBoundingClientRect().height)</script>'
}

[ $# -gt 0 ] || set -- memory packages removed cluster drift dead blocked
for name do
  for theme in light dark; do
    page "$theme" "tests/fixtures/previews/$name/comment.md" >"$work/page.html"
    height=$(browse --window-size="$WIDTH,600" --dump-dom |
      sed -n 's/.*<title>height \([0-9]*\)<.*/\1/p')
    browse --window-size="$WIDTH,$height" --screenshot="$PWD/docs/images/$name-$theme.png"
    echo "docs/images/$name-$theme.png: $WIDTH x $height"
  done
done
