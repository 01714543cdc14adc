"""Rackspace's Cloud DNS, version 1.0 of its API, in which every change is a job."""
