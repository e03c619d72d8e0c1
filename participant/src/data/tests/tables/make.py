"""Writes the Parquet files of these tests with the programs that people use: the same table, and what is not read.

Run with pyarrow 26.0, pandas 3.1, polars 2.1 and duckdb 2.0: python make.py
"""

import datetime
import decimal

import duckdb
import pandas
import polars
import pyarrow
import pyarrow.parquet

ROWS = {
    "note": ["a, b", None, "c", "d"],
    "verdict": ["good", "bad", "bad", "good"],
    "age": [25, 100, None, 7],
    "weight": [0.0, -12.5, 5.0, 0.1],
}

frame = pandas.DataFrame(ROWS)
frame.to_parquet("pandas.parquet")
frame.to_parquet("pandas-gzip.parquet", compression="gzip")
table = polars.DataFrame(ROWS)
table.write_parquet("polars-zstd.parquet")
table.write_parquet("polars.parquet", compression="snappy")
duckdb.sql("COPY (SELECT * FROM frame) TO 'duckdb.parquet' (FORMAT parquet)")
# Another version of the pages, without dictionaries, a group a row, types that are as small as can be.
pyarrow.parquet.write_table(
    pyarrow.table(
        {
            "weight": pyarrow.array(ROWS["weight"], pyarrow.float32()),
            "age": pyarrow.array([decimal.Decimal(f"{age}.00") if age else None for age in ROWS["age"]], pyarrow.decimal128(5, 2)),
            "verdict": pyarrow.array(ROWS["verdict"]).dictionary_encode(),
        }
    ),
    "pyarrow.parquet",
    data_page_version="2.0",
    use_dictionary=False,
    row_group_size=1,
    store_decimal_as_integer=True,
)
for name, column in {
    "nested": [[1], [2, 3], [], None],
    "day": [datetime.date(2026, 1, day) for day in range(1, 5)],
    "moment": pandas.to_datetime(["2026-01-01"] * 4),
}.items():
    pyarrow.parquet.write_table(pyarrow.table({**ROWS, "age": column}), f"{name}.parquet")
