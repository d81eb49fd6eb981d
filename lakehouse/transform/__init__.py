"""From bronze to silver and gold: run a model, judge its rows, commit."""
