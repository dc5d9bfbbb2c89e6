"""Health of exchanges: is each one there, does its feed live and tell the truth, and how deep are its books."""
