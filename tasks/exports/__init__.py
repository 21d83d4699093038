"""What a requester takes home: labels with where they come from, streamed; one module a file format."""
