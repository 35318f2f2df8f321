"""Who meets whom: training, leagues, matches, adaptation, and what they measure."""
