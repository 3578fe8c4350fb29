"""Floor 3: mitigations, one file per method."""

TABLE = {
    "filter": "bezoar.mitigations.data.filter:Filter",
    "quarantine": "bezoar.mitigations.data.quarantine:Quarantine",
    "relabel": "bezoar.mitigations.data.relabel:Relabel",
}
