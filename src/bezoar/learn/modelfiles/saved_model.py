"""TensorFlow's SavedModel: the operations of its graphs, assets, and Keras's configurations in it."""

from collections.abc import Iterable, Iterator

from bezoar.core.errors import InputError
from bezoar.learn.modelfiles import keras_config, zips
from bezoar.learn.modelfiles.pieces import Piece, shown, words
from bezoar.learn.modelfiles.protobuf import MOST_MESSAGES, fields, text
from bezoar.learn.modelfiles.verdict import EXECUTES, REACHES, Reason

_CODE = frozenset(("PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction", "XlaCustomCall", "XlaCustomCallV2"))
_FILES = words(
    "ReadFile WriteFile MatchingFiles WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 "
    "FixedLengthRecordReader FixedLengthRecordReaderV2 TFRecordReader TFRecordReaderV2 LMDBReader TextLineDataset "
    "TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset FixedLengthRecordDatasetV2 SaveDataset SaveDatasetV2 "
    "LoadDataset ImmutableConst DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary "
    "CreateSummaryFileWriter CreateSummaryDbWriter WriteSummary WriteGraphSummary WriteRawProtoSummary LookupTableExport "
    "LookupTableExportV2 PrintV2 DatasetToTFRecord SqlDataset SnapshotDataset SnapshotDatasetV2 FileSystemSetConfiguration "
    "LoadAndRemapMatrix"
)
_NETWORK = words(
    "DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 RpcCall TryRpc RemoteCall "
    "RemoteFusedGraphExecute BigQueryReader CloudBigtableClient ConnectTPUEmbeddingHosts CollectiveReduceV2 "
    "RegisterDataset RegisterDatasetV2"
)
_INNER = {
    "model": {2: "meta graph"},
    "meta graph": {2: "graph", 6: "asset", 7: "objects"},
    "graph": {1: "node", 2: "library"},
    "library": {1: "function"},
    "function": {3: "node"},
    "objects": {1: "object"},
    "object": {4: "user object"},
}


def scan(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge the operations of all graphs and functions."""
    operations: dict[str, None] = {}
    waiting: list[tuple[str, memoryview]] = [("model", piece.data)]
    count = 0
    while waiting:
        kind, data = waiting.pop()
        count += 1
        if count + len(waiting) > MOST_MESSAGES:
            raise InputError("has too many parts")
        inner = _INNER.get(kind, {})
        for number, value in fields(data):
            if not isinstance(value, memoryview):
                continue
            if number in inner:
                waiting.append((inner[number], value))
            elif kind == "node" and number == 2:
                operations[text(value)] = None
            elif kind == "asset" and number == 2 and zips.leads_out(text(value)):
                yield Reason(REACHES, piece.where, f"names an asset outside of the folder: {shown(text(value))}")
            elif kind == "user object" and number == 3:
                yield from _metadata(value, piece)
    yield from judged(operations, piece)


def judged(operations: Iterable[str], piece: Piece) -> Iterator[Reason]:
    """What operations of these names do beyond computing."""
    for operation in operations:
        for names, code, what in (
            (_CODE, EXECUTES, "runs Python or native code"),
            (_FILES, REACHES, "reads or writes files when the model is used"),
            (_NETWORK, REACHES, "talks to the network when the model is used"),
        ):
            if operation in names:
                yield Reason(code, piece.where, f"has the operation {operation}, which {what}")


def scan_metadata(piece: Piece) -> Iterator[Reason | Piece]:
    """Judge ``keras_metadata.pb``: a configuration for each object."""
    for number, value in fields(piece.data):
        if number == 1 and isinstance(value, memoryview):
            for inner, content in fields(value):
                if inner == 5 and isinstance(content, memoryview):
                    yield from _metadata(content, piece)


def _metadata(value: memoryview, piece: Piece) -> Iterator[Reason]:
    written = bytes(value).decode("utf-8", "replace")
    if written.lstrip()[:1] == "{":
        for place, code, what in keras_config.problems_in_text(written):
            yield Reason(code, piece.at(place), what)
