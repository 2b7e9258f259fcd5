"""What was recorded of real systems, in memory and on disk; nothing here knows a simulator."""
