-- The history of a dead letter: each time it was refused, and what operators decided
-- depends: 0001-first-schema

-- migrate: apply

-- The history of a dead letter: one row per retry and one per discard. The first refusal is in dead_letters; the first
-- retry that refuses the record again copies it here.
CREATE TABLE dead_letter_history (
    letter_id bigint      NOT NULL,
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),  -- wall clock
    action    text        NOT NULL,
    reason    text,                                -- why the record was refused; NULL for 'resolved' and 'discarded'
    detail    text        NOT NULL,                -- what was wrong, where the event is stored, or why it was discarded
    actor     text,                                -- who discarded the dead letter; else NULL

    -- One row per action. Readers order them by at, then id: 'refused' is inserted later than it happened.
    CONSTRAINT dead_letter_history_pkey PRIMARY KEY (letter_id, id),
    -- Deleting a dead letter deletes its history.
    CONSTRAINT dead_letter_history_letter_fkey FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    -- 'refused' is the first refusal; 'retried' means that a retry refused the record again; 'resolved' means that a retry
    -- stored its event, or found it stored.
    CONSTRAINT dead_letter_history_action_check CHECK (action IN ('refused', 'retried', 'resolved', 'discarded')),
    -- Only the two kinds of refusal have a reason.
    CONSTRAINT dead_letter_history_reason_check CHECK ((reason IS NOT NULL) = (action IN ('refused', 'retried'))),
    -- A row with action 'discarded' names the operator.
    CONSTRAINT dead_letter_history_actor_check CHECK (action <> 'discarded' OR actor IS NOT NULL)
);

-- migrate: rollback

DROP TABLE dead_letter_history;
