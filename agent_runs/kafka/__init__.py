"""Options of the Kafka clients of library and service, and why a client cannot connect.

May import: client_certificate, errors, settings, aiokafka.
"""
