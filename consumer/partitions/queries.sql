-- The queries for stored offsets, the circuit breaker and accepted losses.

-- open_letters --
-- The open dead letters in a range of offsets of each given partition.
-- $1 topic, $2 partitions, $3 start offsets, $4 end offsets (exclusive)
SELECT d.partition, d.reason
  FROM unnest($2::integer[], $3::bigint[], $4::bigint[]) AS b (partition, start_offset, end_offset)
  JOIN dead_letters AS d ON d.topic = $1
   AND d.partition = b.partition
   AND d.record_offset >= b.start_offset
   AND d.record_offset < b.end_offset
 WHERE d.state = 'open'

-- watch_topic --
-- The stored offsets of a topic, each with the number of open dead letters and the age of the oldest. At most 10,000 dead
-- letters are counted, so that the query stays fast. One row without a partition if no offset is stored.
-- $1 topic
SELECT o.partition, o.next_offset, o.last_timestamp, l.open_dead_letters, l.oldest_dead_letter_s
  FROM (
       SELECT count(*) AS open_dead_letters,
              extract(epoch FROM clock_timestamp() - min(created_at))::double precision AS oldest_dead_letter_s
         FROM (
              SELECT created_at
                FROM dead_letters
               WHERE state = 'open'
                 AND topic = $1
               ORDER BY created_at, id
               LIMIT 10000
              ) AS oldest
       ) AS l
  LEFT JOIN consumer_offsets AS o ON o.topic = $1
 ORDER BY o.partition

-- begin_partitions --
-- Inserts the offsets of new partitions before their first record is read, so that retention cannot move the start.
-- $1 topic, $2 partitions, $3 offsets
INSERT INTO consumer_offsets (topic, partition, first_offset, next_offset)
SELECT $1, b.partition, b.start_offset, b.start_offset
  FROM unnest($2::integer[], $3::bigint[]) AS b (partition, start_offset)
 ORDER BY b.partition
    ON CONFLICT ON CONSTRAINT consumer_offsets_pkey DO NOTHING

-- restore_fingerprint --
-- Restores the fingerprint of the old log after records of another log were stored: the topic was deleted and created
-- again. Every later owner of the partition then finds the difference.
-- $1 topic, $2 partition, $3 $4 offset and timestamp of the last record known to be of the old log
UPDATE consumer_offsets
   SET last_offset = $3, last_timestamp = $4, updated_at = now()
 WHERE topic = $1
   AND partition = $2

-- last_accepted_loss --
-- The id of the last accepted loss of a partition; 0 if there is none.
-- $1 topic, $2 partition
SELECT coalesce(max(id), 0) AS id
  FROM accepted_losses
 WHERE topic = $1
   AND partition = $2

-- accepted_loss --
-- The accepted loss with these values, if it was recorded after the one with a given id.
-- $1 to $6 as of accept_loss, $7 id
SELECT id
  FROM accepted_losses
 WHERE topic = $1
   AND partition = $2
   AND next_offset = $3
   AND resumed_at = $4
   AND reason = $5
   AND accepted_by = $6
   AND id > $7

-- accept_loss --
-- Moves a partition to the start of its log, if its offset is still the one that was checked, and records in
-- accepted_losses the old row, the reason and who accepted it. The new row has no repeats and no fingerprint.
-- $1 topic, $2 partition, $3 next_offset that was checked, $4 start of the log, $5 reason, $6 who
WITH stored AS (
    SELECT * FROM consumer_offsets WHERE topic = $1 AND partition = $2 AND next_offset = $3 FOR NO KEY UPDATE
), written AS (
    INSERT INTO accepted_losses (topic, partition, first_offset, next_offset, last_offset, last_timestamp, repeats,
                                 resumed_at, reason, accepted_by)
    SELECT topic, partition, first_offset, next_offset, last_offset, last_timestamp, repeats, $4, $5, $6 FROM stored
)
UPDATE consumer_offsets AS o
   SET first_offset = $4, next_offset = $4, last_offset = NULL, last_timestamp = NULL, repeats = 0, updated_at = now()
  FROM stored
 WHERE o.topic = stored.topic
   AND o.partition = stored.partition
RETURNING o.partition

-- record_skip --
-- Adds an operator's decision to the histories of the dead letters of skipped records.
-- $1 topic, $2 partition, $3 $4 offsets and timestamps of the records, $5 why, $6 who
INSERT INTO dead_letter_history (letter_id, action, detail, actor)
SELECT d.id, 'skipped', $5, $6
  FROM unnest($3::bigint[], $4::timestamptz[]) AS b (record_offset, record_timestamp)
  JOIN dead_letters AS d ON d.topic = $1
   AND d.partition = $2
   AND d.record_offset = b.record_offset
   AND d.record_timestamp IS NOT DISTINCT FROM b.record_timestamp
RETURNING letter_id
