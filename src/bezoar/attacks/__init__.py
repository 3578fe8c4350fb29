"""Floor 3: attacks, one file per method, a folder per surface."""

TABLE = {
    "badnets": "bezoar.attacks.poisoning.badnets:BadNets",
    "blended": "bezoar.attacks.poisoning.blended:Blended",
    "label_flip": "bezoar.attacks.poisoning.label_flip:LabelFlip",
}
