"""The operator's command, ./cloudctl: it runs the deployer's playbooks and knows no service of cloudd."""
