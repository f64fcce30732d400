"""An application as users have them: workflows, and a table in which their side effects can be counted."""
