"""queues, reservations and costs, and what one does with jobs that wait."""
