"""The receiver: takes the alerts in, keeps what fires and what has fired, and shows it."""
