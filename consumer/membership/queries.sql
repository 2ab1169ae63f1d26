-- The queries for the sessions of consumer processes.

-- lock_token --
-- Locks the token of this process until the session ends. Waits for a session of this process that has not ended yet.
-- $1 token
SELECT pg_advisory_lock($1)

-- free_tokens --
-- Of these tokens, those that no session has locked. A shared lock that is released at once: several consumers may look
-- at the same moment.
-- $1 tokens
SELECT t.token
  FROM unnest($1::bigint[]) AS t (token)
 WHERE pg_try_advisory_xact_lock_shared(t.token)
