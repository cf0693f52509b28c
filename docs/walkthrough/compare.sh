#!/bin/bash
# Runs the walk-through of docs/COMPARING.md and writes what its commands printed into it, between the markers.
# Needs root, python3 with sqlite3, and a disk under $WORK; takes four minutes, in which the machine should do nothing
# else. TRACER is the binary; the text calls it `tracer`.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tracer=$(command -v "${TRACER:-tracer}") || { echo "compare.sh: set TRACER to the binary" >&2; exit 1; }
tracer=$(realpath "$tracer")
work=${WORK:-$(mktemp -d)}
seconds=${SECONDS_EACH:-20}
out=$work/transcript.md
cd "$work"
rm -f ./*.arrows ./*.log ./*.txt rows.db* "$out"
cp "$here/importer.py" "$here/run.sh" .
tracer() { command "$tracer" "$@"; }
# The interpreter itself: a wrapper that looks for one would be recorded instead.
python=$(python3 -c 'import sys; print(sys.executable)')
python3() { exec "$python" "$@"; }

show() { # runs a command line as it is shown
  printf '```console\n$ %s\n' "$1" >>"$out"
  eval "$1" >>"$out" 2>&1
  printf '```\n\n' >>"$out"
}
say() { printf '%s\n\n' "$1" >>"$out"; }

say "Each run is recorded in the same way:"
show "cat run.sh"
say "\`row\` is the program as it is. \`batch\` is the fix: a commit for twenty rows, and the write-ahead log. No two runs of a program are \
alike, so we make three of each, in turn, that whatever else the machine does falls on all of them; and three more of the program as it is, \
of which more below."
show "seconds=$seconds; . ./run.sh"
show "for n in 1 2 3; do run before\$n row; run after\$n batch; run again\$n row; done"
say "What the recorder saw, and what the program says itself:"
show "grep 'calls in' before?.txt after?.txt"
show "cat before?.log; echo; cat after?.log"
say "Did it help?"
show "tracer compare --before before?.arrows --after after?.arrows"
say "The same, as a condition in a pipeline: no failing call that was not there before, and no slower write."
show "tracer compare --before before?.arrows --after after?.arrows --fail-on 'new errno' --fail-on 'slower(pwrite64)' >change.txt; echo \$?"
show "grep -A 1 fail-on change.txt"
say "And the control: the program as it is against the program as it is must not be told apart."
show "cat again?.log"
show "tracer compare --before before?.arrows --after again?.arrows"
say "With one recording of each, nothing can tell whether a difference is that of two runs, and the summary says so:"
show "tracer compare before1.arrows again1.arrows | sed -n '3,/^\$/p'"

"$python" - "$here/../COMPARING.md" "$out" <<'PYTHON'
import sys
page, transcript = sys.argv[1:]
text = open(page).read()
begin, end = "<!-- walkthrough: made by docs/walkthrough/compare.sh -->\n", "<!-- end of walkthrough -->\n"
head, rest = text.split(begin)
_, tail = rest.split(end)
open(page, "w").write(head + begin + "\n" + open(transcript).read() + end + tail)
PYTHON
