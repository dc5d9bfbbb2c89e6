"""Charts: an alert's own expression over the last hours, as a picture and as numbers."""

from .views import Charts

__all__ = ["Charts"]
