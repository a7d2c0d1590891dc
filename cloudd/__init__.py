"""cloudd: a private cloud's control plane that speaks OpenStack's REST APIs."""
