#!/usr/bin/env python3
"""A program with a common problem: it stores 20 rows a second in SQLite and commits each one.

    importer.py DATABASE SECONDS row      a commit for each row, the rollback journal (as people begin)
    importer.py DATABASE SECONDS batch    a commit for 20 rows, the write-ahead log (the fix)

At the end it prints what its own users felt: how long a row took, by its own clock.
"""
import sqlite3
import sys
import time

database, seconds, mode = sys.argv[1], float(sys.argv[2]), sys.argv[3]
RATE = 20

connection = sqlite3.connect(database, isolation_level=None)
if mode == "batch":
    connection.execute("pragma journal_mode = wal")
connection.execute("create table if not exists rows(id integer primary key, text text)")
latencies = []
began = time.monotonic()
due = began
while due < began + seconds:
    time.sleep(max(0.0, due - time.monotonic()))
    start = time.monotonic()
    if mode == "batch" and not connection.in_transaction:
        connection.execute("begin")
    connection.execute("insert into rows(text) values (?)", ("x" * 100,))
    if mode == "batch" and len(latencies) % RATE == RATE - 1:
        connection.execute("commit")
    latencies.append(time.monotonic() - start)
    due += 1 / RATE
latencies.sort()
percentile = lambda share: latencies[int((len(latencies) - 1) * share)] * 1000
print(f"{len(latencies)} rows, p50 {percentile(0.5):.2f} ms, p99 {percentile(0.99):.2f} ms")
