"""The ground floor of cloudd: what every service stands on; it knows none of them."""
