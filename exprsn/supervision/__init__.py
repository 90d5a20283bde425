"""Starting, watching and stopping the programs of a development machine: what ``manage.py up`` is made of."""
