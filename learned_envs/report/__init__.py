"""What a person reads of a fit: measured as plain data, and laid out as one page."""
