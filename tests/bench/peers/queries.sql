-- create_peer_events --
-- Creates a table with the columns and the two unique indexes of run_events, without foreign key and trigger.
CREATE TABLE peer_events (
    id               text COLLATE "C" NOT NULL,
    run_id           text COLLATE "C" NOT NULL,
    parent_event_id  text COLLATE "C",
    event_seq        integer          NOT NULL,
    event_type       text COLLATE "C" NOT NULL,
    event_data       jsonb            NOT NULL,
    created_at       timestamptz      NOT NULL,
    source_partition integer          NOT NULL,
    source_offset    bigint           NOT NULL,
    raw              bytea,
    PRIMARY KEY (run_id, event_seq),
    UNIQUE (run_id, id)
)

-- inserted_so_far --
-- Returns the number of inserted rows from the statistics of the sessions: cheap, and up to a second late.
SELECT pg_stat_get_tuples_inserted('peer_events'::regclass)

-- peer_events --
-- Returns the number of stored events, and the number of those with a wrong id, type, parent event or day.
SELECT count(*),
       count(*) FILTER (WHERE event_data ->> 'id' IS DISTINCT FROM id
                           OR event_data ->> 'type' IS DISTINCT FROM event_type
                           OR event_data ->> 'parent_event_id' IS DISTINCT FROM parent_event_id
                           OR created_at < '2026-01-01' OR created_at > '2026-01-02')
  FROM peer_events
