"""MQTT: the connection to a broker, the topics and the publisher thread."""
