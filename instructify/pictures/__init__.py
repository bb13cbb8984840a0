"""Pictures and clips: where their files lie, what they hold, and the store that keeps each once."""
