"""What the clouds with a JSON API over HTTP share: tables of collections, time, addresses, limits, routes."""
