"""How code waits, runs side by side, and what a call carries: the same on threads and on an event loop."""
