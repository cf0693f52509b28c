"""Calls, errors and total time per syscall of a Parquet export, with DuckDB: no code of ours.

Prints one line of JSON: {syscall: [calls, errors, total_ns]}.
"""

import json
import sys

import duckdb

SUMS = "SELECT syscall, sum(calls), sum(errors), sum(total_ns) FROM read_parquet(?) GROUP BY 1"
print(json.dumps({syscall: [int(s) for s in sums] for syscall, *sums in duckdb.execute(SUMS, sys.argv[1:]).fetchall()}))
