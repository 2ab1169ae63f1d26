"""Thousands of schedules a minute: the real consumer against models of Kafka, PostgreSQL and time, in one event loop.

A seed decides everything: what is published, how many consumers there are, who gets the next turn, how long each
answer takes, and what goes wrong. So what is found once is found again.

    virtual                        the event loop: time that jumps, turns that are drawn
    topic, group, client           Kafka: the log, the coordinator, and the clients that the service uses
    tables, statements, store      PostgreSQL: rows and locks, the named queries, connections that get lost
    processes                      consumers that are started, stopped, frozen and killed
    world                          all of it put together, and put in place of what the service imports
    nemesis                        what goes wrong
    schedule                       one seed from its first record to the verdict
"""
