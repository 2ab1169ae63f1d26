"""What the Kafka clients of library and service share: options, failures, parsing and bounds of record batches.

May import: certificate_dates, client_certificate, errors, settings, aiokafka, cramjam.
"""
