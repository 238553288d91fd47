"""A database's tables, columns, keys, indexes and functions as lines of text, to be compared."""

from __future__ import annotations

import psycopg

_LISTING = """
    select format('column %s.%s %s%s%s', c.relname, a.attname,
                  format_type(a.atttypid, a.atttypmod),
                  case when a.attnotnull then ' not null' else '' end,
                  coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
                  || case a.attidentity when '' then '' else ' identity' end)
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
       and a.attnum > 0 and not a.attisdropped
    union all
    select format('index %s', regexp_replace(indexdef, 'public\\.', '', 'g')) from pg_indexes
     where schemaname = 'public'
    union all
    select format('constraint %s %s', conrelid::regclass, pg_get_constraintdef(oid))
      from pg_constraint where connamespace = 'public'::regnamespace and contype <> 'n'
    union all
    select format('function %s %s', oid::regprocedure, md5(prosrc)) from pg_proc
     where pronamespace = 'public'::regnamespace
"""


def listing(url: str) -> list[str]:
    """Everything that code may rely on, sorted."""
    with psycopg.connect(url) as connection:
        return sorted(row[0] for row in connection.execute(_LISTING))
