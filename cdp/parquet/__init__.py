"""Events, profiles and memberships as Parquet files, for DuckDB, Spark and warehouses."""
