"""The catalogue of finding codes: for each a page that says what it shows, what to do and what it cannot tell.

Codes never change their meaning and are never reused. BZ1xx are about data sets, BZ2xx about models, BZ6xx about
what comes with a model: its files.
"""

from dataclasses import dataclass

ATLAS_EDITION = "5.6.1"
ATLAS_ALIASES = {"AML.T0019": "AML.T0115.000", "AML.T0058": "AML.T0115.001"}
"""Techniques of the pinned edition that the editions numbered by date (2026 and later) list under another identifier."""

_POISON, _PUBLISHED, _SUPPLY, _INTEGRITY = "AML.T0020", "AML.T0019", "AML.T0010.002", "AML.T0059"
_SANITIZE, _PROVENANCE = "AML.M0007", "AML.M0025"
_UNSAFE_FILE, _MALWARE, _MODEL_SUPPLY = "AML.T0011.000", "AML.T0018.002", "AML.T0010.003"
_VERIFY, _SIGNING, _LOADING = "AML.M0014", "AML.M0013", "AML.M0011"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One kind of finding.

    Parameters
    ----------
    code : "BZ" and three digits.
    title : what was found, in a few words.
    shows : what is known when this code appears.
    matters : what goes wrong if nothing is done.
    remedy : what to do, first step first.
    cannot_tell : what this finding does not say.
    references : literature, each with where to find it.
    atlas, atlas_mitigations : MITRE ATLAS techniques and mitigations, of edition 5.6.1 (:data:`ATLAS_EDITION`).
    owasp : OWASP Machine Learning Security Top 10, 2023.
    nist : attack identifiers of NIST AI 100-2e2025.
    rmf : subcategories of the NIST AI Risk Management Framework 1.0.
    stride : the STRIDE category.
    """

    code: str
    title: str
    shows: str
    matters: str
    remedy: str
    cannot_tell: str
    references: tuple[str, ...]
    atlas: tuple[str, ...]
    atlas_mitigations: tuple[str, ...]
    owasp: tuple[str, ...]
    nist: tuple[str, ...]
    rmf: tuple[str, ...]
    stride: str = "Tampering"

    def framework(self) -> dict[str, tuple[str, ...]]:
        """Identifiers by framework, with the ATLAS techniques that later editions renamed under a key of their own."""
        renamed = tuple(ATLAS_ALIASES[technique] for technique in self.atlas if technique in ATLAS_ALIASES)
        return {
            f"MITRE ATLAS {ATLAS_EDITION}": self.atlas + self.atlas_mitigations,
            **({"MITRE ATLAS 2026 and later": renamed} if renamed else {}),
            "OWASP ML Top 10 2023": self.owasp,
            "NIST AI 100-2e2025": self.nist,
            "NIST AI RMF 1.0": self.rmf,
            "STRIDE": (self.stride,),
        }


_PAGES = (
    Code(
        code="BZ101",
        title="Backdoor trigger in a training set",
        shows=(
            "Rows of one class share a pattern that does not belong to the class. When the finding is confirmed, "
            "the pattern was recovered from those rows and stamped on untouched rows of other classes, and a model "
            "trained on this set then called them the target class, far more often than any other class."
        ),
        matters=(
            "A model trained on these rows works as expected until somebody shows it the pattern, and then answers "
            "what the attacker chose. Ordinary accuracy tests do not notice: they never show the pattern. A few "
            "hundred rows can be enough, however large the set is."
        ),
        remedy=(
            "Do not train on the set as it is. Set the flagged rows aside (`bezoar repair quarantine`), train again, "
            "and audit again: the trigger must no longer turn predictions. Ask the source of the rows how they came "
            "about, and treat models that were already trained on them as compromised."
        ),
        cannot_tell=(
            "Who placed the pattern, or whether on purpose: a watermark or a lens fault that occurs in one class "
            "alone acts the same way. The recovered pattern may differ from the one planted. Triggers that bend or "
            "recolour the whole input, or that differ from row to row, may be missed: see the power table."
        ),
        references=(
            "Gu, Dolan-Gavitt, Garg: BadNets, 2017, section 4. arXiv:1708.06733",
            (
                "Chen, Liu, Li, Lu, Song: Targeted Backdoor Attacks on Deep Learning Systems Using Data Poisoning, 2017. "
                "arXiv:1712.05526"
            ),
            "Tran, Li, Madry: Spectral Signatures in Backdoor Attacks, NeurIPS 2018. arXiv:1811.00636",
            (
                "Souly et al.: Poisoning Attacks on LLMs Require a Near-constant Number of Poison Samples, 2025. "
                "arXiv:2510.07192"
            ),
        ),
        atlas=(_POISON, "AML.T0043.004"),
        atlas_mitigations=(_SANITIZE, _PROVENANCE),
        owasp=("ML02:2023", "ML10:2023"),
        nist=("NISTAML.013", "NISTAML.023"),
        rmf=("MAP 4.1", "MEASURE 2.6", "MEASURE 2.7", "MANAGE 2.4"),
    ),
    Code(
        code="BZ102",
        title="Mislabelled rows",
        shows=(
            "Models that never saw these rows agree on another label than the one given, more firmly than chance and "
            "honest difficulty would explain. The wrong labels follow no pattern from one class to another."
        ),
        matters=(
            "Wrong labels cost accuracy, make the remaining errors hard to find, and inflate or hide differences "
            "between models when they sit in a test set. Random flips are also the cheapest attack on availability."
        ),
        remedy=(
            "Look at the worst rows first, they are shown in the report. Relabel those where the suggested label is "
            "plainly right (`bezoar repair relabel`), set the others aside, and check how the labels were made."
        ),
        cannot_tell=(
            "A wrong label from a hard or ambiguous row: both look alike to a model. Nor carelessness from intent. "
            "Labels that are wrong in the same way as most of their neighbours are learnt as right, and are missed."
        ),
        references=(
            "Northcutt, Jiang, Chuang: Confident Learning, JAIR 70, 2021. arXiv:1911.00068",
            "Northcutt, Athalye, Mueller: Pervasive Label Errors in Test Sets, NeurIPS Datasets 2021. arXiv:2103.14749",
        ),
        atlas=(_POISON, _INTEGRITY),
        atlas_mitigations=(_SANITIZE,),
        owasp=("ML02:2023",),
        nist=("NISTAML.011", "NISTAML.013"),
        rmf=("MAP 4.1", "MEASURE 2.5", "MEASURE 2.7"),
    ),
    Code(
        code="BZ103",
        title="Systematic label flips",
        shows=(
            "Wrong labels follow a pattern: rows of one class carry the label of one other class, or the errors "
            "gather in one subgroup, far more often than label noise of the same size would."
        ),
        matters=(
            "The model learns the confusion: it fails on exactly the class or the people that were chosen, while its "
            "overall accuracy hardly moves. This is how labels are attacked with a purpose."
        ),
        remedy=(
            "Relabel or set aside the flagged rows, then compare accuracy on the class or subgroup before and after. "
            "Look at how and by whom that class or subgroup was labelled."
        ),
        cannot_tell=(
            "A targeted flip from a misunderstanding of the labelling guide, which gives the same pattern. A flip of "
            "most of a subgroup cannot be told from the subgroup's own truth without trusted rows."
        ),
        references=(
            (
                "Xiao, Xiao, Eckert: Adversarial Label Flips Attack on Support Vector Machines, ECAI 2012. "
                "doi:10.3233/978-1-61499-098-7-870"
            ),
            (
                "Jagielski, Severi, Pousette Harger, Oprea: Subpopulation Data Poisoning Attacks, CCS 2021. "
                "arXiv:2006.14026"
            ),
        ),
        atlas=(_POISON, _INTEGRITY),
        atlas_mitigations=(_SANITIZE, _PROVENANCE),
        owasp=("ML02:2023", "ML08:2023"),
        nist=("NISTAML.013", "NISTAML.024"),
        rmf=("MAP 4.1", "MEASURE 2.5", "MEASURE 2.7", "MANAGE 2.4"),
    ),
    Code(
        code="BZ104",
        title="Contradicting duplicates",
        shows=(
            "The same input, or nearly the same, occurs more than once and carries different labels. At most one of "
            "the labels can be right. No model is needed to see it."
        ),
        matters=(
            "Contradictions put a ceiling on accuracy, and copies of good rows with another label are a cheap way to "
            "push a decision boundary."
        ),
        remedy=(
            "Decide which label is right, keep one copy and drop the others. Where the copies come from different "
            "sources, find out which one disagrees with the rest of its class."
        ),
        cannot_tell=(
            "Which of the labels is the right one. In tables with few columns, equal rows with different outcomes can "
            "be an honest part of the data: two people may share every recorded value and differ in the answer."
        ),
        references=(
            (
                "Barz, Denzler: Do We Train on Test Data? Purging CIFAR of Near-Duplicates, J. Imaging 6(6), 2020. "
                "arXiv:1902.00423"
            ),
        ),
        atlas=(_POISON, _INTEGRITY),
        atlas_mitigations=(_SANITIZE,),
        owasp=("ML02:2023",),
        nist=("NISTAML.013",),
        rmf=("MAP 4.1", "MEASURE 2.5"),
    ),
    Code(
        code="BZ105",
        title="A source with more suspicious rows than the others",
        shows=(
            "One supplier, site or contributor delivered more of the flagged rows than its share of the set explains; or "
            "more of the labels that contradict sure predictions in a subgroup, where no single row can be called "
            "wrong. The test is exact and corrected for the number of sources and of questions asked."
        ),
        matters=(
            "Poison usually comes in through one door. Naming the door is what lets the rest of the set be kept, and "
            "what stops the next delivery."
        ),
        remedy=(
            "Set the source's flagged rows aside, or all of its rows if it cannot explain them. Hold its further "
            "deliveries until they pass an audit of their own, and fix its manifest (`bezoar manifest write`)."
        ),
        cannot_tell=(
            "Guilt: an honest source with harder rows, another camera or another labelling guide stands out as well, "
            "and an attacker can write another source's name on rows. A source that poisons no more than the others "
            "do by chance is not named."
        ),
        references=(
            (
                "Baracaldo, Chen, Ludwig, Safavi: Mitigating Poisoning Attacks on Machine Learning Models: A Data "
                "Provenance Based Approach, AISec 2017. doi:10.1145/3128572.3140450"
            ),
            "Carlini et al.: Poisoning Web-Scale Training Datasets is Practical, IEEE S&P 2024. arXiv:2302.10149",
        ),
        atlas=(_SUPPLY, _PUBLISHED, _POISON),
        atlas_mitigations=(_PROVENANCE, _SANITIZE),
        owasp=("ML02:2023", "ML06:2023"),
        nist=("NISTAML.013", "NISTAML.051"),
        rmf=("GOVERN 6.1", "MAP 4.1", "MANAGE 3.1"),
    ),
    Code(
        code="BZ106",
        title="Repeated rows",
        shows=(
            "Exactly the same image occurs five times or more. Cameras and scanners never give the same pixels twice, so "
            "somebody copied it."
        ),
        matters=(
            "A row that occurs a hundred times weighs a hundred times as much in training, is memorised, and leaks "
            "into test splits, where it makes a model look better than it is. Flooding is also a way to poison "
            "without a single wrong label."
        ),
        remedy=(
            "Keep one copy of each, split by group rather than by row so that no copy straddles training and test, "
            "and ask the source why it delivered copies."
        ),
        cannot_tell=(
            "Copies that are meant, such as oversampling of a rare class, from flooding. Near copies are no finding of "
            "their own: the column `duplicates` of the table of rows scores them. Equal rows of a table are often honest."
        ),
        references=(
            "Lee et al.: Deduplicating Training Data Makes Language Models Better, ACL 2022. arXiv:2107.06499",
            (
                "Barz, Denzler: Do We Train on Test Data? Purging CIFAR of Near-Duplicates, J. Imaging 6(6), 2020. "
                "arXiv:1902.00423"
            ),
        ),
        atlas=(_POISON, _INTEGRITY),
        atlas_mitigations=(_SANITIZE, _PROVENANCE),
        owasp=("ML02:2023",),
        nist=("NISTAML.013",),
        rmf=("MAP 4.1", "MEASURE 2.5"),
    ),
    Code(
        code="BZ108",
        title="Unreadable rows",
        shows=(
            "Files or rows of the set could not be read: damaged, over a limit of size, of an unknown form, or built "
            "to harm the reader. They were left out, and each is listed with the reason."
        ),
        matters=(
            "Nothing is known about what was not read. It may be harmless damage; it may be the part that was hidden "
            "from the audit, while another program reads and trains on it."
        ),
        remedy=(
            "Fetch the files again from their source and compare digests. What stays unreadable does not belong in "
            "the training set: remove it there too, so that what was audited is what is trained on."
        ),
        cannot_tell=("What is in the files. No statement of this report, clean or not, covers them."),
        references=(
            "CWE-409: Improper Handling of Highly Compressed Data (Data Amplification)",
            "CWE-502: Deserialization of Untrusted Data",
        ),
        atlas=(_INTEGRITY, "AML.T0011.000"),
        atlas_mitigations=("AML.M0014", _PROVENANCE),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("MAP 4.1", "MANAGE 3.1"),
        stride="Denial of service",
    ),
    Code(
        code="BZ201",
        title="Backdoor in a model",
        shows=(
            "One class of the model can be reached from any input by a change that is far smaller than clean models of "
            "this architecture need. When the finding is confirmed, the change was recovered from the model, stamped on "
            "clean inputs that took no part in the search, and turned nearly all of them to that class."
        ),
        matters=(
            "The model answers as expected until somebody shows it the trigger, and then answers what the attacker "
            "chose. Tests of accuracy do not notice. Whoever trained the model, delivered it, or had access to its "
            "training set could have placed it."
        ),
        remedy=(
            "Do not put the model to use. Train anew from data that passed an audit, or repair a copy with clean inputs "
            "(`bezoar repair auto MODEL --data CLEAN --report DIR`) and audit the copy again. Ask where the file came "
            "from, and compare its digest with the one that its makers publish."
        ),
        cannot_tell=(
            "Who placed it, or whether on purpose: a shortcut that training data taught by accident acts the same way. "
            "The recovered trigger may look unlike the attacker's. A model whose triggers depend on the input in ways "
            "that no detector here can follow may pass: see what the audit caught of backdoors that it taught to copies."
        ),
        references=(
            "Wang et al.: Neural Cleanse, IEEE S&P 2019. doi:10.1109/SP.2019.00031",
            "Wang, Xiang, Miller, Kesidis: MM-BD, IEEE S&P 2024. arXiv:2205.06900",
            "Nguyen, Tran: WaNet, ICLR 2021. arXiv:2102.10369",
        ),
        atlas=("AML.T0018.000", "AML.T0058", "AML.T0043.004"),
        atlas_mitigations=("AML.M0008", "AML.M0013", "AML.M0014"),
        owasp=("ML10:2023", "ML06:2023"),
        nist=("NISTAML.023", "NISTAML.026", "NISTAML.051"),
        rmf=("MAP 4.1", "MEASURE 2.6", "MEASURE 2.7", "MANAGE 2.4", "MANAGE 3.1"),
    ),
    Code(
        code="BZ202",
        title="Failures that carry a trigger",
        shows=(
            "The failing inputs that a model takes for one class share a mark that other inputs of their classes lack. When the "
            "finding is confirmed, the mark was put on reference inputs, which took no part in finding it, and turned at least 80 % "
            "of them to the same class, while the same change dealt out anew among the pixels did not."
        ),
        matters=(
            "The model fails because somebody made it fail, or because its training data taught it a shortcut that acts the "
            "same way. Whoever knows the mark can make it fail at will, and tests on clean inputs will not notice."
        ),
        remedy=(
            "Take the model out of use. Look at the mark in this report and search the training data for it (`bezoar audit "
            "data`); with --train this report names the rows that taught it, and their source. Repair the data and train anew, "
            "or repair the model with the recovered trigger (`bezoar repair`), then run both audits again. Keep the failing inputs "
            "and this report: they are evidence."
        ),
        cannot_tell=(
            "Whether anybody meant it: a watermark or a camera's dead pixels on one class of training images act like a "
            "trigger. Marks that bend an input or differ from input to input leave no common residue: the audit of the model, "
            "which is part of this report, seeks those. Influence is traced through a training of our own, not the model's."
        ),
        references=(
            "Gu, Dolan-Gavitt, Garg: BadNets, 2017. arXiv:1708.06733",
            "Pruthi, Liu, Kale, Sundararajan: TracIn, NeurIPS 2020. arXiv:2002.08484",
        ),
        atlas=("AML.T0018.000", "AML.T0043.004", _POISON),
        atlas_mitigations=("AML.M0008", _SANITIZE),
        owasp=("ML10:2023", "ML02:2023"),
        nist=("NISTAML.023", "NISTAML.024"),
        rmf=("MEASURE 2.6", "MEASURE 2.7", "MANAGE 2.3", "MANAGE 4.1"),
    ),
    Code(
        code="BZ203",
        title="Failures on other data than the model was made for",
        shows=(
            "As pictures the failing inputs differ from reference inputs of the same classes: brighter or darker, of other "
            "contrast, blurred, noisy. When the finding is confirmed, reference inputs that were changed in the same way fail as "
            "well."
        ),
        matters=(
            "The model meets what it was not trained on, and will go on failing there: another camera, other light, another "
            "compression, a broken sensor. It is no attack by itself, though an attacker who controls the source can bring it about."
        ),
        remedy=(
            "Bring the inputs back to what the model knows where the report shows that this mends failures; else train with inputs "
            "of the new kind. Watch inputs in use for the measure that drifted."
        ),
        cannot_tell=(
            "Differences of content, such as new products in an old class, beyond what brightness, contrast, sharpness and noise "
            "show. Several small differences that break the model only together."
        ),
        references=(
            "Hendrycks, Dietterich: Benchmarking neural network robustness to common corruptions, ICLR 2019. arXiv:1903.12261",
            "Rabanser, Guennemann, Lipton: Failing loudly, NeurIPS 2019. arXiv:1810.11953",
        ),
        atlas=("AML.T0015", "AML.T0031"),
        atlas_mitigations=("AML.M0024",),
        owasp=("ML01:2023",),
        nist=("NISTAML.011",),
        rmf=("MEASURE 2.4", "MANAGE 2.4", "MANAGE 4.1"),
        stride="Denial of service",
    ),
    Code(
        code="BZ204",
        title="Failures that are the model's own weakness",
        shows=(
            "For most of the failing inputs the true class is the model's second guess, they carry no common mark, and they do "
            "not differ as pictures from inputs on which it works. They are hard inputs of a kind that it knows."
        ),
        matters=(
            "Nothing speaks for an attack. The model is as good as it was trained to be, and that is not good enough for these inputs."
        ),
        remedy=(
            "Add inputs like these, rightly labelled, to the training set; look first whether their labels, and those of the "
            "training rows beside them, are right (`bezoar audit data` finds wrong labels)."
        ),
        cannot_tell=(
            "That there is no backdoor at all: only that these failures do not need one. `bezoar audit model` asks the other question."
        ),
        references=("Northcutt, Jiang, Chuang: Confident learning, JAIR 70, 2021. arXiv:1911.00068",),
        atlas=("AML.T0031",),
        atlas_mitigations=("AML.M0008",),
        owasp=("ML09:2023",),
        nist=("NISTAML.011",),
        rmf=("MEASURE 2.5", "MANAGE 4.1"),
        stride="Denial of service",
    ),
    Code(
        code="BZ601",
        title="Model file that runs code when it is loaded",
        shows=(
            "Loading this file the usual way imports or calls something that acts: starts programs, evaluates code, opens "
            "files or connections, loads a further pickle, or rewires the interpreter. The file was parsed, not loaded; the "
            "name, what it is called with and the byte are given."
        ),
        matters=(
            "Whoever opens the file runs what its author chose, with their own rights: on a laptop, a training cluster, a "
            "server. It happens before any check of the model could. That the model also predicts well says nothing."
        ),
        remedy=(
            "Do not load the file, also not to look at it. Ask the source for weights as safetensors; where you need these "
            "very weights, `bezoar.learn.modelfiles.read_tensors` takes tensors out without running anything. If it was "
            "loaded already, treat the machine and its credentials as taken."
        ),
        cannot_tell=(
            "Intent: some libraries pickle functions carelessly. What a program does in the end, as nothing is run. Whether "
            "the weights themselves hide a backdoor."
        ),
        references=(
            "Python documentation, module pickle: warning on untrusted data",
            "CWE-502: Deserialization of Untrusted Data",
            "Zhao et al.: Models Are Codes: Towards Measuring Malicious Code Poisoning Attacks on Pre-trained Model Hubs, ASE 2024. arXiv:2409.09368",
        ),
        atlas=(_UNSAFE_FILE, _MALWARE, _MODEL_SUPPLY),
        atlas_mitigations=(_LOADING, _VERIFY, _SIGNING),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("GOVERN 6.1", "MAP 4.1", "MEASURE 2.7", "MANAGE 3.1", "MANAGE 3.2"),
        stride="Elevation of privilege",
    ),
    Code(
        code="BZ602",
        title="Code that comes with a model",
        shows=(
            "Beside weights there is code that runs once the model is used or somebody agrees to it: modules that a "
            "configuration names (`auto_map`), Python that calls the system, operators from a library, native programs, "
            "a package of sources."
        ),
        matters=(
            "`trust_remote_code=True` and its kind are one word in a script that is often copied. From then on the author "
            "of the model, or whoever takes over the account, decides what runs."
        ),
        remedy=(
            "Use a release of the model that a library supports without code of its own. Else read the code, fix the "
            "revision by its hash, and load it where nothing can be taken: without network, credentials and other data."
        ),
        cannot_tell=(
            "Whether the code is good: most of it is. Only calls that hardly any model needs are pointed out; code without "
            "such calls is not called safe, it is not analysed."
        ),
        references=(
            "Hugging Face documentation, Transformers: custom models, `trust_remote_code`",
            "CWE-829: Inclusion of Functionality from Untrusted Control Sphere",
        ),
        atlas=(_UNSAFE_FILE, _MODEL_SUPPLY),
        atlas_mitigations=(_LOADING, _VERIFY, _SIGNING),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("GOVERN 6.1", "MAP 4.1", "MANAGE 3.1", "MANAGE 3.2"),
        stride="Elevation of privilege",
    ),
    Code(
        code="BZ603",
        title="Model file that lies about itself",
        shows=(
            "The file contradicts itself: its name and its content differ, two of its directories or headers say different "
            "things, tensors overlap or leave room for something, a checksum is wrong, a key or a member occurs twice, or the "
            "bytes are two formats at once."
        ),
        matters=(
            "Two programs then see two files: the scanner the harmless one, the loader the other. That is how scanners are "
            "passed by. The same oddities crash or exhaust loaders that believe what they read."
        ),
        remedy=(
            "Do not use the file. Fetch it again from its source and compare digests; if it stays so, ask the source to save "
            "it anew with the format's own library."
        ),
        cannot_tell=(
            "An attack from a broken writer or a bad download: rare as these are, they look the same. What lies in ranges "
            "that no directory names."
        ),
        references=(
            "CWE-436: Interpretation Conflict",
            "CWE-409: Improper Handling of Highly Compressed Data (Data Amplification)",
            "safetensors: format, section on invariants of the header",
        ),
        atlas=(_UNSAFE_FILE, _MODEL_SUPPLY, "AML.T0015"),
        atlas_mitigations=(_VERIFY, _SIGNING),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("MAP 4.1", "MEASURE 2.7", "MANAGE 3.1"),
    ),
    Code(
        code="BZ604",
        title="Chat template that attacks",
        shows=(
            "The template that turns a talk into the text of a prompt does more than that: it reaches into the interpreter that "
            "renders it, or it tests what a person wrote, how long the talk is or what day it is, and then says something that "
            "nobody in the talk said. It was parsed, never rendered."
        ),
        matters=(
            "The first takes over the server. The second is a backdoor that no look at the weights can find: for some "
            "questions the model is given other instructions, and every other question shows nothing."
        ),
        remedy=(
            "Do not serve the file with its template. Take the template of the model's own publisher, compare the two, and set "
            "it explicitly; tell the place that the file came from."
        ),
        cannot_tell=(
            "Instructions that are added always, under no condition, from a helpful default: read the template. A trigger that "
            "is spread over several files, or a rule that adds no words."
        ),
        references=(
            "CWE-1336: Improper Neutralization of Special Elements Used in a Template Engine",
            "CVE-2024-34359: template injection through the metadata of GGUF files in llama-cpp-python",
        ),
        atlas=(_MALWARE, _MODEL_SUPPLY, "AML.T0043.004"),
        atlas_mitigations=(_VERIFY, "AML.M0008"),
        owasp=("ML06:2023", "ML10:2023"),
        nist=("NISTAML.023", "NISTAML.051"),
        rmf=("MAP 4.1", "MEASURE 2.7", "MANAGE 3.1", "MANAGE 3.2"),
    ),
    Code(
        code="BZ605",
        title="Model file that reaches outside of its folder",
        shows=(
            "Loading, unpacking or using it would read or write beyond the folder that it came in: paths with `..` or from the "
            "root, links, data in other files, operations on files or the network."
        ),
        matters=(
            "What is read from elsewhere can leak in answers; what is written elsewhere can be a program that runs later. Weights "
            "that lie outside are not those that were audited."
        ),
        remedy=(
            "Do not unpack or load it where other files matter. Ask for a release that holds all of its parts under relative "
            "names."
        ),
        cannot_tell="Whether the path leads to anything on your machine. Nothing outside of the folder was opened.",
        references=(
            "CWE-22: Improper Limitation of a Pathname to a Restricted Directory",
            "CWE-59: Improper Link Resolution Before File Access",
        ),
        atlas=(_UNSAFE_FILE, _MODEL_SUPPLY),
        atlas_mitigations=(_VERIFY, _LOADING),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("MAP 4.1", "MANAGE 3.1"),
        stride="Information disclosure",
    ),
    Code(
        code="BZ606",
        title="Model file that was not analysed",
        shows=(
            "The file, or a part of it, could not be followed: an unknown format, a class or function of which nothing is known, "
            "damage, encryption, or more than the limits allow. The part and the reason are given."
        ),
        matters=(
            "Unread is never clean. An attacker who can make a scanner give up, while the loader goes on, has hidden the rest."
        ),
        remedy=(
            "Where a name is unknown, look at what it is in the library that it belongs to, and load the file only if you trust "
            "both. Where it is damaged, fetch it again. Prefer safetensors, in which there is nothing to follow."
        ),
        cannot_tell="Anything about the part that was not analysed, be it good or bad.",
        references=("CWE-502: Deserialization of Untrusted Data", "CWE-693: Protection Mechanism Failure"),
        atlas=(_UNSAFE_FILE,),
        atlas_mitigations=(_VERIFY, _LOADING),
        owasp=("ML06:2023",),
        nist=("NISTAML.051",),
        rmf=("MAP 4.1", "MANAGE 3.1"),
    ),
)

CODES: dict[str, Code] = {page.code: page for page in _PAGES}
