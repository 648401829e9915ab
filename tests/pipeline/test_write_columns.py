import pyarrow as pa

from pipeline.store.tables import read_table, table_schema, write_columns, write_table

SCHEMA = table_schema("backdrop.test", 1, {"video": pa.string(), "error_px": pa.float64()})
ROWS = [{"video": "a", "error_px": 0.5}, {"video": "b", "error_px": float("nan")}]


def test_columns_and_rows_give_the_same_bytes(tmp_path):
    write_table(tmp_path / "rows.parquet", ROWS, SCHEMA)
    columns = {name: [row[name] for row in ROWS] for name in SCHEMA.names}
    write_columns(tmp_path / "columns.parquet", columns, SCHEMA)
    assert (tmp_path / "rows.parquet").read_bytes() == (tmp_path / "columns.parquet").read_bytes()
    assert read_table(tmp_path / "columns.parquet", SCHEMA)["video"].tolist() == ["a", "b"]
