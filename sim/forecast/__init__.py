"""What closed forms say of a scenario: before it runs, and beside what it then measured."""
