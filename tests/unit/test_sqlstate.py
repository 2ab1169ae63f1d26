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
    StoreError,
    Unavailable,
    UsageError,
)
from consumer.postgres.sqlstate import Origin, translate, translate_login

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
    # of an object of the tables, such as a constraint or a trigger
    ("20000", DataRefused),  # case_not_found, in PL/pgSQL
    ("23502", DataRefused),  # not_null_violation
    ("23505", DataRefused),  # unique_violation of anything but an event's id
    ("23P01", DataRefused),  # exclusion_violation
    ("38000", DataRefused),  # external_routine_exception
    ("44000", DataRefused),  # with_check_option_violation
    ("P0001", DataRefused),  # raise_exception
    ("XX000", DataRefused),  # internal_error
    ("ABCDE", DataRefused),  # a trigger may raise any code
    # retry on a new connection
    ("0A000", NewConnection),  # feature_not_supported
    ("23503", NewConnection),  # foreign_key_violation
    ("26000", NewConnection),  # invalid_sql_statement_name
    # a bug, or a setting of the operator's
    ("", OperatorNeeded),
    ("42501", OperatorNeeded),  # insufficient_privilege
    ("42P01", OperatorNeeded),  # undefined_table
    ("42601", OperatorNeeded),  # syntax_error
    ("0A001", OperatorNeeded),
]


@pytest.mark.parametrize(("sqlstate", "expected"), TABLE)
def test_each_sqlstate_is_translated_to_one_error(sqlstate: str, expected: type[Exception]) -> None:
    error = translate(sqlstate, "the server's text")

    assert type(error) is expected
    assert "the server's text" in str(error)
    assert sqlstate in str(error)


def test_a_unique_violation_of_an_events_id_is_a_repeat() -> None:
    assert type(translate("23505", "duplicate key", Origin(constraint="run_events_id_key"))) is RepeatedIds


@pytest.mark.parametrize("constraint", ["", "run_events_pkey", "agent_runs_pkey"])
def test_a_unique_violation_of_anything_else_is_a_refused_row(constraint: str) -> None:
    assert type(translate("23505", "duplicate key", Origin(constraint=constraint))) is DataRefused


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [("", NewConnection), ("run_events_run_fkey", NewConnection), ("run_events_tenant_fkey", DataRefused)],
)
def test_a_foreign_key_violation_is_retried_unless_the_key_was_added(
    constraint: str, expected: type[Exception]
) -> None:
    assert type(translate("23503", "", Origin(constraint=constraint))) is expected


FUNCTION = "PL/pgSQL function tell() line 3 at SQL statement"
CONTEXT = f'SQL statement "INSERT INTO audit VALUES (1)"\n{FUNCTION}\nCOPY run_events, line 1'


@pytest.mark.parametrize("sqlstate", ["42501", "42P01", "42703", "0A000", "26000", "P0001", "22012", "XX000"])
def test_an_error_in_a_function_is_a_refused_row_and_names_the_function(sqlstate: str) -> None:
    error = translate(sqlstate, "permission denied for table audit", Origin(context=CONTEXT))

    assert isinstance(error, DataRefused)
    assert error.names_object
    assert str(error) == f"permission denied for table audit (SQLSTATE {sqlstate}); {FUNCTION}"


@pytest.mark.parametrize("sqlstate", ["40001", "53100", "57014", "08006"])
def test_a_transient_error_in_a_function_is_translated_like_any_other(sqlstate: str) -> None:
    assert type(translate(sqlstate, "", Origin(context=CONTEXT))) is type(translate(sqlstate, ""))


@pytest.mark.parametrize(
    ("sqlstate", "routine", "context", "expected"),
    [
        ("42501", "ExecWithCheckOptions", "", DataRefused),  # row-level security
        ("42501", "aclcheck_error", "", OperatorNeeded),  # a missing right on a table
        ("42501", "aclcheck_error", "COPY run_events, line 1", DataRefused),  # on the function of an index
        ("0A000", "DoCopy", "", DataRefused),  # COPY FROM and row-level security
        ("0A000", "RevalidateCachedQuery", "", NewConnection),
    ],
)
def test_errors_of_added_objects_are_told_from_others_by_the_servers_routine(
    sqlstate: str, routine: str, context: str, expected: type[Exception]
) -> None:
    assert type(translate(sqlstate, "", Origin(routine=routine, context=context))) is expected


def test_the_error_of_a_missing_right_has_the_remedy() -> None:
    error = translate("42501", "permission denied for function f", Origin(routine="aclcheck_error"))

    assert "permission denied for function f: grant the login of the service this right" in str(error)


def test_a_refusal_names_the_objects_that_postgresql_reports() -> None:
    origin = Origin(table="run_events", column="tenant", constraint="tenant_idx", data_type="name")
    error = translate("54000", "too long", origin)

    assert str(error) == (
        "too long (SQLSTATE 54000); constraint or index tenant_idx of table run_events; "
        "column tenant of table run_events; type name of table run_events"
    )


def test_a_context_that_quotes_a_message_is_left_out() -> None:
    context = 'JSON data, line 1: {"user_prompt": "PL/1"\nCOPY run_events, line 1, column event_data'
    error = translate("22P02", "invalid input syntax for type json", Origin(context=context))

    assert str(error) == "invalid input syntax for type json (SQLSTATE 22P02)"
    assert isinstance(error, DataRefused)
    assert not error.names_object


@pytest.mark.parametrize("sqlstate", ["57014", "53200", "53400", "25P03", "25P04"])
def test_timeouts_and_memory_limits_may_be_met_by_a_smaller_batch(sqlstate: str) -> None:
    error = translate(sqlstate, "")
    assert isinstance(error, Unavailable)
    assert error.limit_exceeded


@pytest.mark.parametrize("sqlstate", ["53100", "57P01", "25006", "55P03", "40001", "P0001"])
def test_no_other_error_is_met_by_a_smaller_batch(sqlstate: str) -> None:
    error = translate(sqlstate, "")
    assert isinstance(error, StoreError)
    assert not error.limit_exceeded


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
        ("55P02", UsageError, "remove the parameter"),  # cant_change_runtime_param, such as `ssl`
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
