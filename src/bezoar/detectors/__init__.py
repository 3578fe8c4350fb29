"""Floor 3: detectors, one file per method, a folder per unit that is scored."""

TABLE = {
    "activation_clustering": "bezoar.detectors.rows.activation_clustering:ActivationClustering",
    "bad_expert": "bezoar.detectors.inputs.bad_expert:BadExpert",
    "beatrix": "bezoar.detectors.inputs.beatrix:Beatrix",
    "confident_learning": "bezoar.detectors.rows.confident_learning:ConfidentLearning",
    "duplicates": "bezoar.detectors.rows.duplicates:Duplicates",
    "ensemble_disagreement": "bezoar.detectors.rows.ensemble_disagreement:EnsembleDisagreement",
    "ibd_psc": "bezoar.detectors.inputs.ibd_psc:IbdPsc",
    "isolation_forest": "bezoar.detectors.rows.isolation_forest:IsolationForest",
    "knn_disagreement": "bezoar.detectors.rows.knn_disagreement:KnnDisagreement",
    "layer_disagreement": "bezoar.detectors.inputs.layer_disagreement:LayerDisagreement",
    "loss_dynamics": "bezoar.detectors.rows.loss_dynamics:LossDynamics",
    "mahalanobis": "bezoar.detectors.rows.mahalanobis:Mahalanobis",
    "maximum_margin": "bezoar.detectors.models.maximum_margin:MaximumMargin",
    "neural_cleanse": "bezoar.detectors.models.neural_cleanse:NeuralCleanse",
    "scale_up": "bezoar.detectors.inputs.scale_up:ScaleUp",
    "spectral_signatures": "bezoar.detectors.rows.spectral_signatures:SpectralSignatures",
    "strip": "bezoar.detectors.inputs.strip:Strip",
    "teco": "bezoar.detectors.inputs.teco:TeCo",
    "universal_perturbation": "bezoar.detectors.models.universal_perturbation:UniversalPerturbation",
}
