-- The history of a dead letter: each time it was refused, and what operators decided
-- depends: 0001-first-schema

-- migrate: apply

-- The history of a dead letter: one row for each time that an operator acted on it.
CREATE TABLE dead_letter_history (
    letter_id bigint      NOT NULL,
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),  -- wall clock
    action    text        NOT NULL,
    reason    text,                                -- why it was refused this time; NULL if it was not
    detail    text        NOT NULL,                -- what was wrong, where its event is now, or why it was discarded
    actor     text,                                -- who discarded it; else NULL

    -- The history of one dead letter, in order.
    CONSTRAINT dead_letter_history_pkey PRIMARY KEY (letter_id, id),
    -- Deleting a dead letter deletes its history.
    CONSTRAINT dead_letter_history_letter_fkey FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    -- 'refused' is the first refusal, copied here when a retry refuses the record again; then what was done.
    CONSTRAINT dead_letter_history_action_check CHECK (action IN ('refused', 'retried', 'resolved', 'discarded')),
    -- Refusals, and only they, have a reason: 'retried' means refused again.
    CONSTRAINT dead_letter_history_reason_check CHECK ((reason IS NOT NULL) = (action IN ('refused', 'retried'))),
    -- A discarded record names the operator who discarded it.
    CONSTRAINT dead_letter_history_actor_check CHECK (action <> 'discarded' OR actor IS NOT NULL)
);

-- migrate: rollback

DROP TABLE dead_letter_history;
