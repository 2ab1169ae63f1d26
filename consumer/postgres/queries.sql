-- Queries that several packages use: the stored offsets, backends, the schema. The other packages have queries.sql files of
-- their own.

-- terminate_stalled_owner --
-- Terminates other consumers' backends that have locked these offsets for too long: a process that was stopped
-- (SIGSTOP) during a COPY keeps its locks, and no timeout of the server ends that. The xmax of a row names the
-- transaction of an uncommitted UPDATE. MATERIALIZED, because PostgreSQL evaluates cheap conditions first: in one WHERE
-- clause, pg_terminate_backend would be evaluated first, and would terminate every backend of the server.
-- $1 topic, $2 partitions, $3 application_name, $4 seconds that a transaction may last
WITH stalled AS MATERIALIZED (
    SELECT a.pid
      FROM consumer_offsets AS o
      JOIN pg_stat_activity AS a ON a.backend_xid = o.xmax
     WHERE o.topic = $1
       AND o.partition = ANY ($2::integer[])
       AND a.usename = current_user
       AND a.application_name = $3
       AND a.pid <> pg_backend_pid()
       AND a.xact_start < clock_timestamp() - make_interval(secs => $4::double precision)
)
SELECT pid
  FROM stalled
 WHERE pg_terminate_backend(pid)

-- offsets --
-- The stored offsets of a topic.
-- $1 topic
SELECT partition, first_offset, next_offset, last_offset, last_timestamp, repeats, updated_at
  FROM consumer_offsets
 WHERE topic = $1
 ORDER BY partition

-- other_topics --
-- The topics that have offsets in this database, apart from one.
-- $1 topic
SELECT DISTINCT topic
  FROM consumer_offsets
 WHERE topic <> $1

-- server_facts --
-- The server's version and encoding, whether a database was ever migrated, whether the schema exists, and whether the
-- login may use it.
-- $1 the schema of the tables
SELECT current_setting('server_version_num')::integer AS version_num,
       current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding,
       to_regclass('public._pogo_migration') IS NOT NULL AS migrated,
       to_regnamespace(quote_ident($1)) IS NOT NULL AS schema_exists,
       coalesce(has_schema_privilege(to_regnamespace(quote_ident($1)), 'USAGE'), false) AS may_use,
       quote_ident(current_user) AS login

-- applied_migrations --
-- The migrations applied to a schema of this database.
-- $1 the schema
SELECT migration_id
  FROM public._pogo_migration
 WHERE schema_name = $1

-- schemas_of_tables --
-- The schemas that have tables of these names.
-- $1 the names of tables
SELECT n.nspname AS schema, array_agg(c.relname::text) AS tables
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = ANY ($1::text[])
   AND c.relkind IN ('r', 'p')
   AND NOT pg_is_other_temp_schema(n.oid)
 GROUP BY n.nspname
 ORDER BY n.nspname

-- lacking_rights --
-- Those of the given rights that the login does not have. Tables that do not exist are left out.
-- $1 tables, $2 privileges, $3 columns, or NULL for the whole table. Returns positions in the arrays, from 1
SELECT b.position
  FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS b (name, privilege, column_name, position)
 WHERE NOT CASE WHEN b.column_name IS NULL THEN has_table_privilege(to_regclass(b.name), b.privilege)
                ELSE has_column_privilege(to_regclass(b.name), b.column_name, b.privilege)
            END

-- next_identities --
-- The next value of each sequence behind the column `id` of these tables, if the login may read the sequence.
-- $1 the names of tables
SELECT t.name, s.seqrelid::regclass::text AS sequence,
       coalesce(pg_sequence_last_value(s.seqrelid) + s.seqincrement, s.seqstart) AS next
  FROM unnest($1::text[]) AS t (name)
  JOIN pg_sequence AS s ON s.seqrelid = pg_get_serial_sequence(t.name, 'id')::regclass
 WHERE has_sequence_privilege(s.seqrelid, 'SELECT')

-- largest_id_of_dead_letters --
-- The largest id of the table; null if it is empty.
SELECT max(id) AS id
  FROM dead_letters

-- largest_id_of_dead_letter_history --
-- The largest id of the table; null if it is empty.
SELECT max(id) AS id
  FROM dead_letter_history

-- largest_id_of_accepted_losses --
-- The largest id of the table; null if it is empty.
SELECT max(id) AS id
  FROM accepted_losses

-- group_role --
-- The login, whether a group role exists, and whether the login has its rights.
-- $1 the name of the group role
SELECT quote_ident(current_user) AS login,
       to_regrole($1) IS NOT NULL AS role_exists,
       coalesce(pg_has_role(to_regrole($1), 'USAGE'), false) AS is_member

-- migration_rights --
-- The login, whether it may create tables, and the owners of the tables whose rights it does not have.
-- $1 the names of tables, $2 their schema
SELECT quote_ident(current_user) AS login,
       coalesce(has_schema_privilege(to_regnamespace(quote_ident($2)), 'CREATE'), false) AS may_create,
       ARRAY(SELECT DISTINCT relowner::regrole::text
               FROM pg_class
              WHERE relnamespace = to_regnamespace(quote_ident($2))
                AND relname = ANY ($1::text[])
                AND NOT pg_has_role(relowner, 'USAGE')) AS owned_by_others

-- set_session --
-- Changes settings of this session. Skips those that this version of PostgreSQL does not have.
-- $1 names, $2 values
SELECT set_config(b.name, b.value, false)
  FROM unnest($1::text[], $2::text[]) AS b (name, value)
 WHERE current_setting(b.name, true) IS NOT NULL

-- allow_long_statements --
-- Removes the limit of the duration of a statement from this session.
SELECT set_config('statement_timeout', '0', false)

-- backend_pid --
-- The process id of this connection's backend. Behind a connection pooler, the driver has only the pooler's.
SELECT pg_backend_pid() AS pid

-- active_backend --
-- The backend, if it executes a statement or ended one within the last seconds. If it did neither, the answer for which
-- its client waits was lost.
-- $1 pid, $2 seconds
SELECT pid
  FROM pg_stat_activity
 WHERE pid = $1
   AND (state = 'active' OR state_change > clock_timestamp() - make_interval(secs => $2::double precision))

-- lock_migrations --
-- Takes the lock that lets one process at a time migrate a database. Released when the connection ends.
SELECT pg_advisory_lock(hashtext('agent_runs migrate'))

-- lock_holders --
-- The other sessions that hold locks on tables of this database, each with its pid, program and state.
SELECT DISTINCT format('pid %s (%s, %s for %s s)', a.pid, coalesce(nullif(a.application_name, ''), a.usename), a.state,
                       extract(epoch FROM clock_timestamp() - a.state_change)::integer) AS session
  FROM pg_locks AS l
  JOIN pg_stat_activity AS a ON a.pid = l.pid
  JOIN pg_class AS t ON t.oid = l.relation
 WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND l.granted
   AND l.pid <> pg_backend_pid()
   AND t.relkind = 'r'
   AND t.relnamespace <> 'pg_catalog'::regnamespace
 ORDER BY session

-- unlock_migrations --
-- Releases the lock of lock_migrations.
SELECT pg_advisory_unlock(hashtext('agent_runs migrate'))

-- added_objects --
-- The objects of the tables that can refuse a row and that the schema of this version does not have: triggers,
-- constraints, policies, indexes with expressions or conditions, generated columns and domains.
-- $1 the names of the schema's own objects
WITH tables AS (
    SELECT oid, relname
      FROM pg_class
     WHERE oid IN ('agent_runs'::regclass, 'run_events'::regclass, 'dead_letters'::regclass,
                   'consumer_offsets'::regclass)
), objects AS (
    SELECT tgrelid AS table_oid, 'trigger' AS kind, tgname AS name FROM pg_trigger WHERE NOT tgisinternal
     UNION ALL
    SELECT conrelid, 'constraint', conname FROM pg_constraint WHERE contype IN ('c', 'f', 'p', 'u', 'x')
     UNION ALL
    SELECT polrelid, 'policy', polname FROM pg_policy
     UNION ALL
    SELECT oid, 'row-level security', '' FROM pg_class WHERE relrowsecurity
     UNION ALL
    SELECT i.indrelid, 'index', c.relname
      FROM pg_index AS i
      JOIN pg_class AS c ON c.oid = i.indexrelid
     WHERE i.indexprs IS NOT NULL
        OR i.indpred IS NOT NULL
     UNION ALL
    SELECT a.attrelid, CASE WHEN a.attgenerated <> '' THEN 'generated column' ELSE 'column of a domain' END, a.attname
      FROM pg_attribute AS a
      JOIN pg_type AS t ON t.oid = a.atttypid
     WHERE a.attgenerated <> ''
        OR t.typtype = 'd'
)
SELECT concat_ws(' ', objects.kind, nullif(objects.name, ''), 'of', tables.relname) AS description
  FROM objects
  JOIN tables ON tables.oid = objects.table_oid
 WHERE objects.name <> ALL ($1::text[])
 ORDER BY description
