"""What people see in a terminal: tables and plots."""
