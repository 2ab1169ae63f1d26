"""The machine that tries to break the promise, for as long as one likes.

`make faults`, or `python -m tests.nemesis --minutes 60 --seed 1`. Rounds of a few minutes, each with a topic and a
database of its own: agents and foreign producers publish, consumers come and go, and Kafka, PostgreSQL, the wires to
both and the consumers themselves are hurt by what the round's seed draws. Then all is healed, everything has to be
stored in time, and every record is accounted for.

    rounds, round      the hour, and one round from its beginning to its end
    world              the servers, behind proxies
    speakers, agent, producer, ledger    who publishes, and what they say they did
    fleet              the consumers, and what is watched of them
    hurting, of_kafka, of_postgres, of_consumers    the faults
    liveness, verdict  what has to hold
    summary            what is printed
    seeds              the rounds that once failed: pytest plays them again
"""
