"""The report: what is read, how it is judged in words, and the one page it becomes."""
