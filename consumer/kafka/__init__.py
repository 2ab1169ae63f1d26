"""Kafka: the group's consumer, the topic's reader, topic settings. The only package that imports aiokafka."""
