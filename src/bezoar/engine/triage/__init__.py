"""Why a model fails on some inputs: a backdoor, other data than it was made for, or plain weakness."""
