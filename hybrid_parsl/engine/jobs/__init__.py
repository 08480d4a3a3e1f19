"""Jobs of PSI/J: submitted, followed, found again, and told once how they ended."""
