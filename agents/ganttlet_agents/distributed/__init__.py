"""Work spread over the machines of a Ray cluster; Ray is imported when one is joined."""
