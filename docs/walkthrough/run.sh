# One run of the program, recorded from outside: we attach a second after its start and leave before it ends.
# At its end it says what its own users felt.
run() { # NAME MODE
  rm -f rows.db*
  python3 importer.py rows.db $((seconds + 3)) "$2" >"$1.log" &
  sleep 1
  tracer record -p $! -i 250ms -d "${seconds}s" -o "$1.arrows" 2>"$1.txt"
  wait $!
}
