"""Calls, errors and total time per syscall of a recording, with pyarrow and with polars: no code of ours.

Prints one line of JSON for each: {reader: {"abi syscall": [calls, errors, total_ns]}}.
"""

import json
import sys

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

KIND, FILE = sys.argv[1:3]
NATIVE = "x86_64"


def of_intervals_with_polars():
    cells = pl.read_ipc_stream(FILE).filter(pl.col("kind").is_null())
    return cells.group_by(pl.col("abi").fill_null(NATIVE), "syscall").agg(pl.col("calls", "errors", "total_ns").sum()).rows()


def of_intervals_with_pyarrow():
    rows = pa.ipc.open_stream(FILE).read_all()
    cells = rows.filter(pc.is_null(rows["kind"]))
    cells = cells.set_column(cells.schema.get_field_index("abi"), "abi", pc.fill_null(cells["abi"], NATIVE))
    sums = cells.group_by(["abi", "syscall"]).aggregate([(name, "sum") for name in ("calls", "errors", "total_ns")])
    return zip(*(column.to_pylist() for column in sums.select(["abi", "syscall", "calls_sum", "errors_sum", "total_ns_sum"])))


def of_events_with_polars():
    rows = pl.read_ipc_stream(FILE)
    calls = rows.drop_nulls("syscall").group_by(pl.col("abi").fill_null(NATIVE), "syscall").agg(
        calls=pl.len().cast(pl.Int64), errors=pl.col("errno").count().cast(pl.Int64), total_ns=pl.col("latency_ns").sum().cast(pl.Int64)
    )
    other = rows.select("other").explode("other").drop_nulls().unnest("other").filter(pl.col("kind").is_null())
    rest = other.select(pl.col("abi").fill_null(NATIVE), "syscall", "calls", "errors", "total_ns")
    return pl.concat([calls, rest]).group_by("abi", "syscall").agg(pl.col("calls", "errors", "total_ns").sum()).rows()


def of_events_with_pyarrow():
    rows = pa.ipc.open_stream(FILE).read_all()
    calls = rows.filter(pc.is_valid(rows["syscall"]))
    calls = calls.set_column(calls.schema.get_field_index("abi"), "abi", pc.fill_null(calls["abi"], NATIVE))
    sums = calls.group_by(["abi", "syscall"]).aggregate([([], "count_all"), ("errno", "count"), ("latency_ns", "sum")])
    found = [(r["abi"], r["syscall"], r["count_all"], r["errno_count"], r["latency_ns_sum"] or 0) for r in sums.to_pylist()]
    other = pa.Table.from_batches([pa.RecordBatch.from_struct_array(part) for part in pc.list_flatten(rows["other"]).chunks])
    cells = other.filter(pc.is_null(other["kind"]))
    return found + [(r["abi"] or NATIVE, r["syscall"], r["calls"], r["errors"], r["total_ns"]) for r in cells.select(["abi", "syscall", "calls", "errors", "total_ns"]).to_pylist()]


for reader in ("polars", "pyarrow"):
    totals = {}
    for abi, syscall, calls, errors, total_ns in globals()[f"of_{KIND}_with_{reader}"]():
        sums = totals.setdefault(f"{abi} {syscall}", [0, 0, 0])
        for index, number in enumerate((calls, errors, total_ns)):
            sums[index] += number
    print(json.dumps({reader: {call: sums for call, sums in totals.items() if any(sums)}}))
