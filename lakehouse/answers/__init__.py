"""What pages and the command line say: read from declarations and the state; no table is opened."""
