#!/bin/bash
# Runs the walk-through of docs/COMPARING.md and writes what its commands printed into it, between the markers.
# Needs root, python3 with sqlite3, and a disk under $WORK. TRACER is the binary; the text calls it `tracer`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tracer=${TRACER:-tracer}
work=${WORK:-$(mktemp -d)}
seconds=${SECONDS_EACH:-20}
python=$(python3 -c 'import sys; print(sys.executable)')
out=$work/transcript.md
cd "$work"
rm -f ./*.arrows rows.db* "$out"
cp "$here/importer.py" .
tracer() { command "$tracer" "$@"; }

show() { # runs a command line as it is shown
  printf '```console\n$ %s\n' "$1" >>"$out"
  status=0
  eval "$1" >>"$out" 2>&1 || status=$?
  [ "$status" = 0 ] || printf '$ echo $?\n%s\n' "$status" >>"$out"
  printf '```\n\n' >>"$out"
}
say() { printf '%s\n\n' "$1" >>"$out"; }

record() { # NAME MODE: the program runs, tracer attaches to it and leaves before it ends
  rm -f rows.db*
  "$python" importer.py rows.db $((seconds + 3)) "$2" >"$1.log" &
  pid=$!
  sleep 1
  show "tracer record -p \$pid -i 250ms -d ${seconds}s -o $1.arrows"
  wait "$pid"
  show "cat $1.log"
}

say "The program, as it is (\`importer.py rows.db $((seconds + 3)) row &\`). We attach, record, and note what it says itself:"
record before row
say "The fix: a commit for twenty rows, and the write-ahead log (\`importer.py rows.db $((seconds + 3)) batch &\`):"
record after batch
say "Did it help?"
show "tracer compare before.arrows after.arrows"
say "The same, as a condition in a pipeline: no failing call that was not there before, and no slower write."
show "tracer compare before.arrows after.arrows --comm python3 -e %desc --fail-on 'new errno' --fail-on 'slower(pwrite64)' | tail -n 8"
say "And the control: the same program twice must not be told apart."
record again row
show "tracer compare before.arrows again.arrows --plain | head -n 12"

"$python" - "$here/../COMPARING.md" "$out" <<'PYTHON'
import sys
page, transcript = sys.argv[1:]
text = open(page).read()
begin, end = "<!-- walkthrough: made by docs/walkthrough/compare.sh -->\n", "<!-- end of walkthrough -->\n"
head, rest = text.split(begin)
_, tail = rest.split(end)
open(page, "w").write(head + begin + "\n" + open(transcript).read() + end + tail)
PYTHON
