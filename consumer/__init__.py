"""The service: carries RunEvents from a Kafka topic into PostgreSQL, each one exactly once and in order."""
