"""Floor 3: detectors, one file per method, a folder per unit that is scored."""

TABLE = {
    "activation_clustering": "bezoar.detectors.rows.activation_clustering:ActivationClustering",
    "confident_learning": "bezoar.detectors.rows.confident_learning:ConfidentLearning",
    "duplicates": "bezoar.detectors.rows.duplicates:Duplicates",
    "ensemble_disagreement": "bezoar.detectors.rows.ensemble_disagreement:EnsembleDisagreement",
    "isolation_forest": "bezoar.detectors.rows.isolation_forest:IsolationForest",
    "knn_disagreement": "bezoar.detectors.rows.knn_disagreement:KnnDisagreement",
    "loss_dynamics": "bezoar.detectors.rows.loss_dynamics:LossDynamics",
    "mahalanobis": "bezoar.detectors.rows.mahalanobis:Mahalanobis",
    "maximum_margin": "bezoar.detectors.models.maximum_margin:MaximumMargin",
    "neural_cleanse": "bezoar.detectors.models.neural_cleanse:NeuralCleanse",
    "spectral_signatures": "bezoar.detectors.rows.spectral_signatures:SpectralSignatures",
    "universal_perturbation": "bezoar.detectors.models.universal_perturbation:UniversalPerturbation",
}
