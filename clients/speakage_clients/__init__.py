"""What watches and speaks to a daemon: the async SDK, the terminal view and the browser display."""
