"""From what senders leave to bronze rows."""
