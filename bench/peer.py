"""Splink 5 as a peer: trained without labels, with the settings of its own documentation.

Deduplication of `fake_1000` is set up as in its demo of accuracy analysis, the richest of three;
linking `febrl4` as in the demo of that name, its detailed model.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink import comparison_library as compare

Row = Mapping[str, str]
Scored = list[tuple[int, int, float]]  # two rows by their number, and the probability
SEED = 5


class Setup(NamedTuple):
    """How Splink is told to go about it."""

    settings: Any
    certain: Sequence[Any]  # rules that find matches for sure, to guess the prior from
    recall: float  # the share of matches that they find
    trained_on: Sequence[Any]
    draws: float


def deduplicated(rows: Sequence[Row]) -> Scored:
    """`fake_1000`."""
    names = ("first_name", "surname", "dob", "city", "email")
    table = _table(rows, names)
    dates = table["dob"].cast(pyarrow.date32())
    table = table.set_column(table.schema.get_field_index("dob"), "dob", dates)
    near = "levenshtein(r.dob::VARCHAR, l.dob::VARCHAR) <= 1"
    setup = Setup(
        SettingsCreator(
            link_type="dedupe_only",
            comparisons=[
                compare.ForenameSurnameComparison("first_name", "surname"),
                compare.DateOfBirthComparison("dob", input_is_string=False),
                compare.ExactMatch("city").configure(term_frequency_adjustments=True),
                compare.EmailComparison("email"),
            ],
            blocking_rules_to_generate_predictions=[
                block_on(name) for name in ("first_name", "surname", "dob", "email")
            ],
        ),
        [
            f"l.first_name = r.first_name and {near}",
            f"l.surname = r.surname and {near}",
            "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
            "l.email = r.email",
        ],
        0.7,
        [block_on("dob"), block_on("email"), block_on("first_name", "surname")],
        1e6,
    )
    return _scored([table], setup)


def linked(one: Sequence[Row], other: Sequence[Row]) -> Scored:
    """`febrl4a` and `febrl4b`, whose rows are numbered on."""
    names = ("given_name", "surname", "street_number", "address_1", "suburb")
    names += ("postcode", "state", "date_of_birth", "soc_sec_id")
    tables = [_table(one, names), _table(other, names, first=len(one))]

    def rare(comparison: Any) -> Any:
        return comparison.configure(term_frequency_adjustments=True)

    setup = Setup(
        SettingsCreator(
            link_type="link_only",
            comparisons=[
                rare(compare.NameComparison("given_name")),
                rare(compare.NameComparison("surname")),
                compare.DateOfBirthComparison(
                    "date_of_birth",
                    input_is_string=True,
                    datetime_format="%Y%m%d",
                    invalid_dates_as_null=True,
                ),
                compare.DamerauLevenshteinAtThresholds("soc_sec_id", [1, 2]),
                rare(compare.ExactMatch("street_number")),
                rare(compare.DamerauLevenshteinAtThresholds("postcode", [1, 2])),
            ],
            blocking_rules_to_generate_predictions=[
                block_on("given_name", "surname"),
                "l.given_name = r.surname and l.surname = r.given_name",
                block_on("date_of_birth"),
                block_on("soc_sec_id"),
                block_on("state", "address_1"),
                block_on("street_number", "address_1"),
                block_on("postcode"),
            ],
        ),
        [block_on("soc_sec_id"), block_on("given_name", "surname", "date_of_birth")],
        0.8,
        [block_on("date_of_birth"), block_on("postcode")],
        1e7,
    )
    return _scored(tables, setup)


def _table(rows: Sequence[Row], names: Sequence[str], first: int = 0) -> Any:
    columns = {name: pyarrow.array([r[name] or None for r in rows], "string") for name in names}
    return pyarrow.table({"unique_id": list(range(first, first + len(rows)))} | columns)


def _scored(tables: Sequence[Any], setup: Setup) -> Scored:
    api = DuckDBAPI(duckdb.connect(":memory:", config={"threads": 2}))
    named = [
        api.register(table, dataset_display_name=f"t{number}")
        for number, table in enumerate(tables)
    ]
    linker = Linker(named, setup.settings, log_level=logging.ERROR)
    training = linker.training
    training.estimate_probability_two_random_records_match(setup.certain, recall=setup.recall)
    training.estimate_u_using_random_sampling(max_pairs=setup.draws, seed=SEED)
    for rule in setup.trained_on:
        training.estimate_parameters_using_expectation_maximisation(
            rule, estimate_without_term_frequencies=True
        )
    found = linker.inference.predict().as_dict()
    columns = (found[name] for name in ("unique_id_l", "unique_id_r", "match_probability"))
    return list(zip(*columns, strict=True))
