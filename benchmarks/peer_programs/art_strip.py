"""Runs in ART's own environment: its STRIP on given weights, timed."""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from art.defences.transformer.poisoning import STRIP  # type: ignore[import-not-found]  # in its own environment
from art.estimators.classification import PyTorchClassifier  # type: ignore[import-not-found]  # as above
from art_audit import NETWORKS, Network  # type: ignore[import-not-found]  # beside this program


class Probable(torch.nn.Module):
    """ART takes the entropy of what the classifier answers, so it must answer with probabilities."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, classes) probabilities."""
        return torch.softmax(self.network(x), dim=1)


def main() -> None:
    """Print one JSON object: seconds of judging all inputs, those it abstains from, versions."""
    with np.load(sys.argv[1], allow_pickle=False) as asked:
        arrays = dict(asked)
    np.random.seed(0)
    clean, judged = (arrays[name].astype(np.float32) / 255 for name in ("clean", "judged"))
    classes = len(arrays["head_bias"])
    network = Network(NETWORKS["same"], clean.shape[1], classes)
    order = enumerate(network.body.state_dict())
    network.body.load_state_dict({name: torch.from_numpy(arrays[f"body_{index}"]) for index, name in order})
    network.head.load_state_dict({name: torch.from_numpy(arrays[f"head_{name}"]) for name in ("weight", "bias")})
    scaling = (arrays[name][:, None, None] / 255 for name in ("mean", "std"))
    classifier = PyTorchClassifier(
        model=Probable(network.eval()),
        loss=torch.nn.CrossEntropyLoss(),
        input_shape=clean.shape[1:],
        nb_classes=classes,
        preprocessing=tuple(scaling),
        clip_values=(0.0, 1.0),
        device_type="cpu",
    )
    defended = STRIP(classifier)(num_samples=int(sys.argv[2]))
    defended.mitigate(clean)
    defended.predict(judged[:32])
    start = time.perf_counter()
    answers = defended.predict(judged)
    answer = {
        "seconds": time.perf_counter() - start,
        "flagged": np.flatnonzero((answers == 0).all(axis=1)).tolist(),
        "versions": {"art": version("adversarial-robustness-toolbox"), "torch": version("torch")},
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
