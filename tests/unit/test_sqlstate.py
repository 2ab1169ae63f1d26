"""The translation of PostgreSQL's error codes."""

import pytest

from consumer.errors import (
    Blocked,
    ConnectionLost,
    DataRefused,
    LoginRefused,
    NewConnection,
    OperatorNeeded,
    RepeatedIds,
    Unavailable,
    UsageError,
)
from consumer.postgres.sqlstate import translate, translate_login

TABLE = [
    # not about a record: retry later
    ("25006", Unavailable),  # read_only_sql_transaction
    ("25001", Unavailable),
    ("28000", LoginRefused),
    ("28P01", LoginRefused),  # invalid_password
    ("3D000", LoginRefused),  # invalid_catalog_name
    ("40001", Unavailable),  # serialization_failure
    ("40P01", Unavailable),  # deadlock_detected
    ("53000", Unavailable),
    ("53100", Unavailable),  # disk_full
    ("53200", Unavailable),  # out_of_memory
    ("53300", Unavailable),  # too_many_connections
    ("55000", Unavailable),
    ("55006", Unavailable),  # object_in_use
    ("57000", Unavailable),
    ("57014", Unavailable),  # query_canceled
    ("57P03", Unavailable),  # cannot_connect_now
    ("58000", Unavailable),
    ("58030", Unavailable),  # io_error
    # a lock is held
    ("55P03", Blocked),
    # the connection ended: the statement may have been executed
    ("08000", ConnectionLost),
    ("08003", ConnectionLost),
    ("08006", ConnectionLost),
    ("57P01", ConnectionLost),  # admin_shutdown
    ("57P02", ConnectionLost),  # crash_shutdown
    ("57P05", ConnectionLost),  # idle_session_timeout
    ("25P03", ConnectionLost),  # idle_in_transaction_session_timeout
    ("25P04", ConnectionLost),  # transaction_timeout
    # about the data of a record
    ("22000", DataRefused),
    ("22003", DataRefused),  # numeric_value_out_of_range
    ("22021", DataRefused),  # character_not_in_repertoire
    ("22P02", DataRefused),  # invalid_text_representation
    ("22P05", DataRefused),  # untranslatable_character
    ("23514", DataRefused),  # check_violation
    ("54000", DataRefused),  # program_limit_exceeded
    # retry on a new connection
    ("0A000", NewConnection),  # feature_not_supported
    ("23503", NewConnection),  # foreign_key_violation
    ("26000", NewConnection),  # invalid_sql_statement_name
    # a bug, or a setting of the operator's
    ("", OperatorNeeded),
    ("XX000", OperatorNeeded),  # internal_error
    ("42501", OperatorNeeded),  # insufficient_privilege
    ("42P01", OperatorNeeded),  # undefined_table
    ("42601", OperatorNeeded),  # syntax_error
    ("23502", OperatorNeeded),  # not_null_violation
    ("23505", OperatorNeeded),  # unique_violation of anything but an event's id
    ("0A001", OperatorNeeded),
    ("P0001", OperatorNeeded),  # raise_exception
]


@pytest.mark.parametrize(("sqlstate", "expected"), TABLE)
def test_each_sqlstate_is_translated_to_one_error(sqlstate: str, expected: type[Exception]) -> None:
    error = translate(sqlstate, "the server's text")

    assert type(error) is expected
    assert "the server's text" in str(error)
    assert sqlstate in str(error)


def test_a_unique_violation_of_an_events_id_is_a_repeat() -> None:
    assert type(translate("23505", "duplicate key", "run_events_id_key")) is RepeatedIds


@pytest.mark.parametrize("constraint", [None, "run_events_pkey", "agent_runs_pkey"])
def test_a_unique_violation_of_anything_else_needs_an_operator(constraint: str | None) -> None:
    assert type(translate("23505", "duplicate key", constraint)) is OperatorNeeded


@pytest.mark.parametrize("class_", ["08", "25", "28", "3D", "40", "53", "55", "57", "58"])
def test_every_code_of_these_classes_is_translated_to_unavailable(class_: str) -> None:
    for code in ("000", "001", "P01", "P02", "P03", "P04", "P05", "ZZZ"):
        assert isinstance(translate(class_ + code, ""), Unavailable)


@pytest.mark.parametrize(
    ("sqlstate", "expected", "remedy"),
    [
        ("28P01", LoginRefused, "correct the password"),
        ("28000", LoginRefused, "pg_hba.conf"),
        ("3D000", LoginRefused, "create the database"),
        ("42501", LoginRefused, "CONNECT"),  # insufficient_privilege
        ("42704", UsageError, "DATABASE_URL"),  # undefined_object: an unknown parameter
        ("22023", UsageError, "DATABASE_URL"),  # invalid_parameter_value
        ("53300", Unavailable, ""),
        ("57P03", Unavailable, ""),
        ("XX000", OperatorNeeded, ""),
    ],
)
def test_an_error_at_login_is_translated_to_one_with_a_remedy(
    sqlstate: str, expected: type[Exception], remedy: str
) -> None:
    error = translate_login(sqlstate, "the server's text")

    assert type(error) is expected
    assert "the server's text" in str(error)
    assert remedy in str(error)
