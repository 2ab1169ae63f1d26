"""The operator's commands: click, rich, exit codes. The only package that imports click and rich."""
