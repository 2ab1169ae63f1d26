-- Dead letters of records that operators skipped because they could not be read or written
-- depends: 0002-dead-letter-history

-- migrate: apply

-- Consumers of the version before insert dead letters meanwhile: the defaults describe theirs.
ALTER TABLE dead_letters
    ADD COLUMN offset_count bigint NOT NULL DEFAULT 1,
    ADD COLUMN omitted_headers integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT dead_letters_reason_check,
    ADD CONSTRAINT dead_letters_reason_check CHECK (reason IN (
        'missing_key', 'invalid_key', 'too_large', 'not_json', 'invalid_event', 'store_rejected', 'event_id_conflict',
        'unreadable'
    )),
    ADD CONSTRAINT dead_letters_offset_count_check CHECK (offset_count >= 1),
    ADD CONSTRAINT dead_letters_omitted_headers_check CHECK (omitted_headers >= 0);

ALTER TABLE dead_letter_history
    DROP CONSTRAINT dead_letter_history_action_check,
    ADD CONSTRAINT dead_letter_history_action_check
        CHECK (action IN ('refused', 'retried', 'resolved', 'discarded', 'skipped')),
    DROP CONSTRAINT dead_letter_history_actor_check,
    ADD CONSTRAINT dead_letter_history_actor_check CHECK (action NOT IN ('discarded', 'skipped') OR actor IS NOT NULL);

-- migrate: rollback

ALTER TABLE dead_letter_history
    DROP CONSTRAINT dead_letter_history_action_check,
    ADD CONSTRAINT dead_letter_history_action_check CHECK (action IN ('refused', 'retried', 'resolved', 'discarded')),
    DROP CONSTRAINT dead_letter_history_actor_check,
    ADD CONSTRAINT dead_letter_history_actor_check CHECK (action <> 'discarded' OR actor IS NOT NULL);

ALTER TABLE dead_letters
    DROP COLUMN offset_count,
    DROP COLUMN omitted_headers,
    DROP CONSTRAINT dead_letters_reason_check,
    ADD CONSTRAINT dead_letters_reason_check CHECK (reason IN (
        'missing_key', 'invalid_key', 'too_large', 'not_json', 'invalid_event', 'store_rejected', 'event_id_conflict'
    ));
