"""One connection of a client, and the table of all of them: HTTP/1.1, as bytes."""
