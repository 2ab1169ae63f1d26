-- What became of a letter: every verdict on it, and what operators decided
-- depends: 0001-first-schema

-- migrate: apply

-- What became of a dead letter after it was refused: one row for each time that somebody did something about it.
CREATE TABLE dead_letter_history (
    letter_id bigint      NOT NULL,
    id        bigint      GENERATED ALWAYS AS IDENTITY,
    at        timestamptz NOT NULL DEFAULT now(),  -- wall clock
    action    text        NOT NULL,
    reason    text,                                -- why it was refused, this time; NULL where it was not
    detail    text        NOT NULL,                -- what exactly was wrong, where the event is now, or why it was discarded
    actor     text,                                -- who decided; NULL where nobody had to

    -- The history of one letter, in its order.
    CONSTRAINT dead_letter_history_pkey PRIMARY KEY (letter_id, id),
    -- A letter that is deleted takes its history along.
    CONSTRAINT dead_letter_history_letter_fkey FOREIGN KEY (letter_id) REFERENCES dead_letters (id) ON DELETE CASCADE,
    -- The first verdict, which is written down once there is a second one; then what was done.
    CONSTRAINT dead_letter_history_action_check CHECK (action IN ('refused', 'retried', 'resolved', 'discarded')),
    -- Verdicts, and only they, have a reason of the contract.
    CONSTRAINT dead_letter_history_reason_check CHECK ((reason IS NOT NULL) = (action IN ('refused', 'retried'))),
    -- To give up a record is somebody's decision.
    CONSTRAINT dead_letter_history_actor_check CHECK (action <> 'discarded' OR actor IS NOT NULL)
);

-- migrate: rollback

DROP TABLE dead_letter_history;
