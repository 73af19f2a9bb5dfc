"""The scripts that made the tables of the simulator from measurements. They need the folder OUTCROP_REAL_DATA."""
