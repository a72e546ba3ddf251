"""The two headline jobs, end to end."""
