"""What boards are made of: colours and units, queries, panels, places on the grid, files."""
