"""What several processes need of one foreign thing."""
