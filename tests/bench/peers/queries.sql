-- create_peer_events --
-- The columns of run_events with its two unique indexes; no foreign key, no trigger.
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
-- From the statistics that the sessions have reported so far: cheap, and up to a second late.
SELECT pg_stat_get_tuples_inserted('peer_events'::regclass)

-- peer_events --
-- How many events a peer has stored, and how many of them differ from their message.
SELECT count(*),
       count(*) FILTER (WHERE event_data ->> 'id' IS DISTINCT FROM id
                           OR event_data ->> 'type' IS DISTINCT FROM event_type
                           OR event_data ->> 'parent_event_id' IS DISTINCT FROM parent_event_id
                           OR created_at < '2026-01-01' OR created_at > '2026-01-02')
  FROM peer_events
