"""What one call of the emitter costs an agent, and how many events a second it delivers; beside what others cost."""
