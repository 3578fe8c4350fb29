"""Floor 3: attacks, one file per method, a folder per surface."""

TABLE = {
    "badnets": "bezoar.attacks.poisoning.badnets:BadNets",
    "blended": "bezoar.attacks.poisoning.blended:Blended",
    "input_aware": "bezoar.attacks.poisoning.input_aware:InputAware",
    "label_consistent": "bezoar.attacks.poisoning.label_consistent:LabelConsistent",
    "label_flip": "bezoar.attacks.poisoning.label_flip:LabelFlip",
    "sig": "bezoar.attacks.poisoning.sig:SIG",
    "trojannn": "bezoar.attacks.poisoning.trojannn:TrojanNN",
    "wanet": "bezoar.attacks.poisoning.wanet:WaNet",
}
