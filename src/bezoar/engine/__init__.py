"""Floor 4: audits, decisions, confirmation, controls."""
