"""Results for people: tables, pictures and a rich view in notebooks. Nothing here sees the simulator."""
