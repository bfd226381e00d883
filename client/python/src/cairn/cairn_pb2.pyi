from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
FEATURE_CLAIMS: Feature
FEATURE_DELETES: Feature
FEATURE_LISTS: Feature
FEATURE_PRUNE_DRY_RUN: Feature
LEVEL_ACCEPTED: Level
LEVEL_DURABLE: Level
LEVEL_WRITTEN: Level
METADATA_BINDING: MetadataPart
METADATA_SIZE: MetadataPart
METADATA_VALUE: MetadataPart
PART_DATA: Part
PART_HASH: Part
PART_HEADER: Part
PART_SIGNATURE: Part
REASON_CLAIMED: ConflictReason
REASON_DROPPED: ConflictReason
REASON_GUARD: ConflictReason
REASON_HEIGHT: ConflictReason
REASON_NO_STATE: ConflictReason
REASON_NUMBER: ConflictReason
REASON_PRUNED: ConflictReason
REASON_ROLLED_BACK: ConflictReason

class Barrier(_message.Message):
    __slots__ = ["level"]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    level: Level
    def __init__(self, level: _Optional[_Union[Level, str]] = ...) -> None: ...

class Block(_message.Message):
    __slots__ = ["data", "hash", "header", "height", "signature"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    hash: bytes
    header: bytes
    height: int
    signature: bytes
    def __init__(self, height: _Optional[int] = ..., header: _Optional[bytes] = ..., data: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., hash: _Optional[bytes] = ...) -> None: ...

class BlockReply(_message.Message):
    __slots__ = ["absent", "data", "hash", "header", "height", "signature"]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    absent: bool
    data: bytes
    hash: bytes
    header: bytes
    height: int
    signature: bytes
    def __init__(self, height: _Optional[int] = ..., absent: bool = ..., header: _Optional[bytes] = ..., data: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., hash: _Optional[bytes] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ChainEntry(_message.Message):
    __slots__ = ["blocks_pruned_through", "claim_held", "claim_name", "claim_pid", "claim_sequence", "claim_uid", "height", "name", "states_pruned_through"]
    BLOCKS_PRUNED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    CLAIM_HELD_FIELD_NUMBER: _ClassVar[int]
    CLAIM_NAME_FIELD_NUMBER: _ClassVar[int]
    CLAIM_PID_FIELD_NUMBER: _ClassVar[int]
    CLAIM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    CLAIM_UID_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATES_PRUNED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    blocks_pruned_through: int
    claim_held: bool
    claim_name: bytes
    claim_pid: int
    claim_sequence: int
    claim_uid: int
    height: int
    name: bytes
    states_pruned_through: int
    def __init__(self, name: _Optional[bytes] = ..., height: _Optional[int] = ..., blocks_pruned_through: _Optional[int] = ..., states_pruned_through: _Optional[int] = ..., claim_sequence: _Optional[int] = ..., claim_name: _Optional[bytes] = ..., claim_uid: _Optional[int] = ..., claim_pid: _Optional[int] = ..., claim_held: bool = ...) -> None: ...

class Chains(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ChainsReply(_message.Message):
    __slots__ = ["chains"]
    CHAINS_FIELD_NUMBER: _ClassVar[int]
    chains: _containers.RepeatedCompositeFieldContainer[ChainEntry]
    def __init__(self, chains: _Optional[_Iterable[_Union[ChainEntry, _Mapping]]] = ...) -> None: ...

class Claim(_message.Message):
    __slots__ = ["chain", "deadline_us", "take_over", "writer_name"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    WRITER_NAME_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    deadline_us: int
    take_over: bool
    writer_name: bytes
    def __init__(self, chain: _Optional[bytes] = ..., deadline_us: _Optional[int] = ..., writer_name: _Optional[bytes] = ..., take_over: bool = ...) -> None: ...

class ClaimReply(_message.Message):
    __slots__ = ["epoch", "level", "sequence"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    epoch: Epoch
    level: Level
    sequence: int
    def __init__(self, sequence: _Optional[int] = ..., level: _Optional[_Union[Level, str]] = ..., epoch: _Optional[_Union[Epoch, _Mapping]] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ["blocks", "carry", "chain", "deadline_us", "delete_blocks", "delete_states", "expected_height", "level", "metadata", "number", "rise_to", "states"]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    CARRY_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    DELETE_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    DELETE_STATES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RISE_TO_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    blocks: _containers.RepeatedCompositeFieldContainer[Block]
    carry: bool
    chain: bytes
    deadline_us: int
    delete_blocks: _containers.RepeatedScalarFieldContainer[int]
    delete_states: _containers.RepeatedScalarFieldContainer[int]
    expected_height: int
    level: Level
    metadata: _containers.RepeatedCompositeFieldContainer[MetadataOperation]
    number: int
    rise_to: int
    states: _containers.RepeatedCompositeFieldContainer[State]
    def __init__(self, chain: _Optional[bytes] = ..., level: _Optional[_Union[Level, str]] = ..., deadline_us: _Optional[int] = ..., carry: bool = ..., expected_height: _Optional[int] = ..., blocks: _Optional[_Iterable[_Union[Block, _Mapping]]] = ..., states: _Optional[_Iterable[_Union[State, _Mapping]]] = ..., delete_states: _Optional[_Iterable[int]] = ..., rise_to: _Optional[int] = ..., metadata: _Optional[_Iterable[_Union[MetadataOperation, _Mapping]]] = ..., delete_blocks: _Optional[_Iterable[int]] = ..., number: _Optional[int] = ...) -> None: ...

class CreateChain(_message.Message):
    __slots__ = ["chain"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    def __init__(self, chain: _Optional[bytes] = ...) -> None: ...

class Credit(_message.Message):
    __slots__ = ["bytes"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class DrainReply(_message.Message):
    __slots__ = ["connections", "operations"]
    CONNECTIONS_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    connections: int
    operations: int
    def __init__(self, operations: _Optional[int] = ..., connections: _Optional[int] = ...) -> None: ...

class DropChain(_message.Message):
    __slots__ = ["chain"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    def __init__(self, chain: _Optional[bytes] = ...) -> None: ...

class Epoch(_message.Message):
    __slots__ = ["random", "sequence"]
    RANDOM_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    random: int
    sequence: int
    def __init__(self, sequence: _Optional[int] = ..., random: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ["last_number", "reason", "text"]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    last_number: int
    reason: ConflictReason
    text: bytes
    def __init__(self, text: _Optional[bytes] = ..., reason: _Optional[_Union[ConflictReason, str]] = ..., last_number: _Optional[int] = ...) -> None: ...

class GetMetadata(_message.Message):
    __slots__ = ["chain", "name", "parts"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    name: bytes
    parts: int
    def __init__(self, chain: _Optional[bytes] = ..., name: _Optional[bytes] = ..., parts: _Optional[int] = ...) -> None: ...

class GetMetadataMany(_message.Message):
    __slots__ = ["chain", "names", "parts", "window_bytes"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    names: _containers.RepeatedScalarFieldContainer[bytes]
    parts: int
    window_bytes: int
    def __init__(self, chain: _Optional[bytes] = ..., names: _Optional[_Iterable[bytes]] = ..., window_bytes: _Optional[int] = ..., parts: _Optional[int] = ...) -> None: ...

class Guard(_message.Message):
    __slots__ = ["lower", "name", "pass_malformed"]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASS_MALFORMED_FIELD_NUMBER: _ClassVar[int]
    lower: bool
    name: bytes
    pass_malformed: bool
    def __init__(self, name: _Optional[bytes] = ..., lower: bool = ..., pass_malformed: bool = ...) -> None: ...

class Height(_message.Message):
    __slots__ = ["chain"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    def __init__(self, chain: _Optional[bytes] = ...) -> None: ...

class HeightReply(_message.Message):
    __slots__ = ["height"]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    height: int
    def __init__(self, height: _Optional[int] = ...) -> None: ...

class Hello(_message.Message):
    __slots__ = ["client_name", "features", "resume_random", "resume_run", "version_max", "version_min"]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    RESUME_RANDOM_FIELD_NUMBER: _ClassVar[int]
    RESUME_RUN_FIELD_NUMBER: _ClassVar[int]
    VERSION_MAX_FIELD_NUMBER: _ClassVar[int]
    VERSION_MIN_FIELD_NUMBER: _ClassVar[int]
    client_name: bytes
    features: int
    resume_random: int
    resume_run: int
    version_max: int
    version_min: int
    def __init__(self, version_min: _Optional[int] = ..., version_max: _Optional[int] = ..., features: _Optional[int] = ..., client_name: _Optional[bytes] = ..., resume_run: _Optional[int] = ..., resume_random: _Optional[int] = ...) -> None: ...

class HelloReply(_message.Message):
    __slots__ = ["daemon_version", "features", "frame_bytes_max", "metadata_on_disk", "run", "run_random", "store_changed", "store_id", "value_bytes_max", "version", "window_bytes_max"]
    DAEMON_VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    FRAME_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    METADATA_ON_DISK_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_RANDOM_FIELD_NUMBER: _ClassVar[int]
    STORE_CHANGED_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    VALUE_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    daemon_version: bytes
    features: int
    frame_bytes_max: int
    metadata_on_disk: int
    run: int
    run_random: int
    store_changed: bool
    store_id: bytes
    value_bytes_max: int
    version: int
    window_bytes_max: int
    def __init__(self, version: _Optional[int] = ..., features: _Optional[int] = ..., daemon_version: _Optional[bytes] = ..., store_id: _Optional[bytes] = ..., run: _Optional[int] = ..., metadata_on_disk: _Optional[int] = ..., frame_bytes_max: _Optional[int] = ..., value_bytes_max: _Optional[int] = ..., window_bytes_max: _Optional[int] = ..., run_random: _Optional[int] = ..., store_changed: bool = ...) -> None: ...

class ListMetadata(_message.Message):
    __slots__ = ["chain", "end", "limit", "parts", "prefix", "reverse", "start", "window_bytes"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    PREFIX_FIELD_NUMBER: _ClassVar[int]
    REVERSE_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    end: bytes
    limit: int
    parts: int
    prefix: bytes
    reverse: bool
    start: bytes
    window_bytes: int
    def __init__(self, chain: _Optional[bytes] = ..., prefix: _Optional[bytes] = ..., start: _Optional[bytes] = ..., limit: _Optional[int] = ..., window_bytes: _Optional[int] = ..., end: _Optional[bytes] = ..., reverse: bool = ..., parts: _Optional[int] = ...) -> None: ...

class MetadataOperation(_message.Message):
    __slots__ = ["delete", "delete_range", "name", "of_height", "value"]
    DELETE_FIELD_NUMBER: _ClassVar[int]
    DELETE_RANGE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OF_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    RAISE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    delete: bool
    delete_range: NameRange
    name: bytes
    of_height: int
    value: bytes
    def __init__(self, name: _Optional[bytes] = ..., value: _Optional[bytes] = ..., delete: bool = ..., delete_range: _Optional[_Union[NameRange, _Mapping]] = ..., of_height: _Optional[int] = ..., **kwargs) -> None: ...

class MetadataReply(_message.Message):
    __slots__ = ["absent", "name", "of_height", "size", "value"]
    ABSENT_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OF_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    absent: bool
    name: bytes
    of_height: int
    size: int
    value: bytes
    def __init__(self, name: _Optional[bytes] = ..., absent: bool = ..., value: _Optional[bytes] = ..., of_height: _Optional[int] = ..., size: _Optional[int] = ...) -> None: ...

class NameRange(_message.Message):
    __slots__ = ["to"]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    to: bytes
    def __init__(self, to: _Optional[bytes] = ..., **kwargs) -> None: ...

class Ping(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class PingReply(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Present(_message.Message):
    __slots__ = ["chain", "deadline_us", "ends_with_epoch", "epoch", "for_numbers"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    ENDS_WITH_EPOCH_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FOR_NUMBERS_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    deadline_us: int
    ends_with_epoch: bool
    epoch: Epoch
    for_numbers: bool
    def __init__(self, chain: _Optional[bytes] = ..., deadline_us: _Optional[int] = ..., epoch: _Optional[_Union[Epoch, _Mapping]] = ..., for_numbers: bool = ..., ends_with_epoch: bool = ...) -> None: ...

class PresentReply(_message.Message):
    __slots__ = ["last_number", "level", "sequence"]
    LAST_NUMBER_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    last_number: int
    level: Level
    sequence: int
    def __init__(self, sequence: _Optional[int] = ..., level: _Optional[_Union[Level, str]] = ..., last_number: _Optional[int] = ...) -> None: ...

class Prune(_message.Message):
    __slots__ = ["blocks_through", "chain", "deadline_us", "dry_run", "level", "metadata", "number", "states_through"]
    BLOCKS_THROUGH_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    STATES_THROUGH_FIELD_NUMBER: _ClassVar[int]
    blocks_through: int
    chain: bytes
    deadline_us: int
    dry_run: bool
    level: Level
    metadata: _containers.RepeatedCompositeFieldContainer[MetadataOperation]
    number: int
    states_through: int
    def __init__(self, chain: _Optional[bytes] = ..., level: _Optional[_Union[Level, str]] = ..., deadline_us: _Optional[int] = ..., blocks_through: _Optional[int] = ..., states_through: _Optional[int] = ..., metadata: _Optional[_Iterable[_Union[MetadataOperation, _Mapping]]] = ..., dry_run: bool = ..., number: _Optional[int] = ...) -> None: ...

class ReadBlock(_message.Message):
    __slots__ = ["chain", "hash", "height", "parts"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    hash: bytes
    height: int
    parts: int
    def __init__(self, chain: _Optional[bytes] = ..., height: _Optional[int] = ..., hash: _Optional[bytes] = ..., parts: _Optional[int] = ...) -> None: ...

class ReadBlocks(_message.Message):
    __slots__ = ["chain", "first", "heights", "last", "parts", "window_bytes"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    HEIGHTS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    WINDOW_BYTES_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    first: int
    heights: _containers.RepeatedScalarFieldContainer[int]
    last: int
    parts: int
    window_bytes: int
    def __init__(self, chain: _Optional[bytes] = ..., heights: _Optional[_Iterable[int]] = ..., first: _Optional[int] = ..., last: _Optional[int] = ..., parts: _Optional[int] = ..., window_bytes: _Optional[int] = ...) -> None: ...

class ReadState(_message.Message):
    __slots__ = ["chain", "height"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    height: int
    def __init__(self, chain: _Optional[bytes] = ..., height: _Optional[int] = ...) -> None: ...

class Release(_message.Message):
    __slots__ = ["any", "chain", "deadline_us"]
    ANY_FIELD_NUMBER: _ClassVar[int]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    any: bool
    chain: bytes
    deadline_us: int
    def __init__(self, chain: _Optional[bytes] = ..., deadline_us: _Optional[int] = ..., any: bool = ...) -> None: ...

class Rollback(_message.Message):
    __slots__ = ["chain", "deadline_us", "dry_run", "guards", "level", "metadata", "number", "to"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    GUARDS_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    deadline_us: int
    dry_run: bool
    guards: _containers.RepeatedCompositeFieldContainer[Guard]
    level: Level
    metadata: _containers.RepeatedCompositeFieldContainer[MetadataOperation]
    number: int
    to: int
    def __init__(self, chain: _Optional[bytes] = ..., level: _Optional[_Union[Level, str]] = ..., deadline_us: _Optional[int] = ..., to: _Optional[int] = ..., guards: _Optional[_Iterable[_Union[Guard, _Mapping]]] = ..., metadata: _Optional[_Iterable[_Union[MetadataOperation, _Mapping]]] = ..., dry_run: bool = ..., number: _Optional[int] = ...) -> None: ...

class State(_message.Message):
    __slots__ = ["height", "value"]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    height: int
    value: bytes
    def __init__(self, height: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class StateReply(_message.Message):
    __slots__ = ["height", "value"]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    height: int
    value: bytes
    def __init__(self, height: _Optional[int] = ..., value: _Optional[bytes] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class StatusEntry(_message.Message):
    __slots__ = ["name", "number", "text"]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    number: int
    text: bytes
    def __init__(self, name: _Optional[bytes] = ..., number: _Optional[int] = ..., text: _Optional[bytes] = ...) -> None: ...

class StatusReply(_message.Message):
    __slots__ = ["entries"]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[StatusEntry]
    def __init__(self, entries: _Optional[_Iterable[_Union[StatusEntry, _Mapping]]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ["chain"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    def __init__(self, chain: _Optional[bytes] = ...) -> None: ...

class UsageReply(_message.Message):
    __slots__ = ["bytes"]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    bytes: int
    def __init__(self, bytes: _Optional[int] = ...) -> None: ...

class WriteMetadata(_message.Message):
    __slots__ = ["chain", "deadline_us", "level", "operations", "resend_of"]
    CHAIN_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_US_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    OPERATIONS_FIELD_NUMBER: _ClassVar[int]
    RESEND_OF_FIELD_NUMBER: _ClassVar[int]
    chain: bytes
    deadline_us: int
    level: Level
    operations: _containers.RepeatedCompositeFieldContainer[MetadataOperation]
    resend_of: int
    def __init__(self, chain: _Optional[bytes] = ..., level: _Optional[_Union[Level, str]] = ..., deadline_us: _Optional[int] = ..., operations: _Optional[_Iterable[_Union[MetadataOperation, _Mapping]]] = ..., resend_of: _Optional[int] = ...) -> None: ...

class WriteReply(_message.Message):
    __slots__ = ["blocks", "created", "level", "lowered", "metadata", "raises_left_out", "repeated", "sequence", "states"]
    BLOCKS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    LOWERED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    RAISES_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    REPEATED_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    blocks: int
    created: bool
    level: Level
    lowered: int
    metadata: int
    raises_left_out: int
    repeated: bool
    sequence: int
    states: int
    def __init__(self, sequence: _Optional[int] = ..., level: _Optional[_Union[Level, str]] = ..., created: bool = ..., blocks: _Optional[int] = ..., states: _Optional[int] = ..., metadata: _Optional[int] = ..., lowered: _Optional[int] = ..., raises_left_out: _Optional[int] = ..., repeated: bool = ...) -> None: ...

class Level(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Part(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Feature(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class ConflictReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class MetadataPart(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
