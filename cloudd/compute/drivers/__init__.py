"""The hypervisors a compute host can run servers on, behind one abstract ability."""
