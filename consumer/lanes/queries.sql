-- The queries with which a lane recovers from a failed transaction.

-- refused_values --
-- The messages that JSONB cannot store, each with PostgreSQL's error message.
-- $1 messages. Returns positions in the array, from 1
SELECT b.position, f.message
  FROM unnest($1::bytea[]) WITH ORDINALITY AS b (value, position),
       LATERAL (SELECT convert_from(b.value, 'UTF8') AS value) AS t,
       LATERAL pg_input_error_info(t.value, 'jsonb') AS f
 WHERE f.message IS NOT NULL
