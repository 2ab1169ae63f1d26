-- insert_runs --
-- The rows that the events' foreign key asks for.
-- $1 ids
INSERT INTO agent_runs (id, agent_id, status, created_at, updated_at, status_changed_at)
SELECT id, 'unknown', 'running', now(), now(), now()
  FROM unnest($1::text[]) AS id

-- transactions --
-- When each transaction that stored events was committed (seconds since 1970), and how many it stored.
SELECT extract(epoch FROM pg_xact_commit_timestamp(t.xmin))::double precision AS committed_at,
       t.events
  FROM (SELECT xmin, count(*) AS events FROM run_events GROUP BY xmin) AS t
 ORDER BY committed_at

-- checkpoint --
-- Before the clock runs: so that no round pays for the one before it.
CHECKPOINT

-- server --
SELECT current_setting('server_version') AS version,
       current_setting('fsync')          AS fsync,
       current_setting('shared_buffers') AS shared_buffers,
       (SELECT CASE attcompression WHEN 'l' THEN 'lz4' ELSE current_setting('default_toast_compression') END
          FROM pg_attribute
         WHERE attrelid = 'run_events'::regclass
           AND attname = 'event_data') AS toast_compression

-- table_size --
-- In bytes, with indexes and TOAST.
SELECT pg_total_relation_size('run_events') AS bytes
