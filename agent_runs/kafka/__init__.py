"""What the Kafka clients of library and service share: options, failures, parsing and bounds of record batches.

May import: client_certificate, errors, settings, aiokafka, cramjam.
"""
