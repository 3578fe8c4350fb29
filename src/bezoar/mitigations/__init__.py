"""Floor 3: mitigations, one file per method."""

TABLE = {
    "abl": "bezoar.mitigations.model.abl:Abl",
    "anp": "bezoar.mitigations.model.anp:Anp",
    "clp": "bezoar.mitigations.model.clp:Clp",
    "filter": "bezoar.mitigations.data.filter:Filter",
    "fine_pruning": "bezoar.mitigations.model.fine_pruning:FinePruning",
    "fine_tuning": "bezoar.mitigations.model.fine_tuning:FineTuning",
    "i_bau": "bezoar.mitigations.model.i_bau:IBau",
    "nad": "bezoar.mitigations.model.nad:Nad",
    "quarantine": "bezoar.mitigations.data.quarantine:Quarantine",
    "relabel": "bezoar.mitigations.data.relabel:Relabel",
    "relearning": "bezoar.mitigations.model.relearning:Relearning",
    "unlearning": "bezoar.mitigations.model.unlearning:Unlearning",
}
