"""UAM fleet: days of an air-taxi fleet."""
