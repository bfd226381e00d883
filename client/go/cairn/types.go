package cairn

// Level is how far a write has come when its call returns.
type Level uint8

// The levels, in rising order.
const (
	LevelDefault  Level = 0 // accepted for queued metadata, durable for everything else
	LevelAccepted Level = 1 // ordered and readable, in the daemon's memory; the client keeps it until it is written
	LevelWritten  Level = 2 // in the log, handed to the kernel: survives a kill of the daemon
	LevelDurable  Level = 3 // synced to the device: survives power loss
)

// BlockParts is a set of the parts of a block.
type BlockParts uint32

// The parts of a block. Zero asks only whether the block is there.
const (
	PartHeader    BlockParts = 1
	PartData      BlockParts = 2
	PartSignature BlockParts = 4
	PartHash      BlockParts = 8
	PartsAll                 = PartHeader | PartData | PartSignature | PartHash
)

// MetadataParts is a set of what a read tells of a name.
type MetadataParts uint32

// What a read may tell of a name. Zero asks only whether the name is there.
const (
	MetadataValue   MetadataParts = 1
	MetadataBinding MetadataParts = 2 // OfHeight
	MetadataSize    MetadataParts = 4 // Size
)

// Block is a block or, in a read, those of its parts that were asked for.
type Block struct {
	Height    uint64 // from 1
	Header    []byte
	Data      []byte
	Signature []byte
	Hash      []byte // in a commit: 1 to 64 bytes, or nil for the SHA-256 of the header
	Absent    bool   // only from [Chain.BlocksAt]: there is no block at Height
}

// State is the application's state at a height.
type State struct {
	Height uint64 // from 0
	Value  []byte
}

// Metadata is what a read tells of a name.
type Metadata struct {
	Name     string
	Value    []byte // nil if it was not asked for; empty, and not nil, if the value is empty
	OfHeight uint64 // the height it is bound to; 0: unbound, or not asked for
	Size     uint64 // of the value, if it was asked for
	Absent   bool   // only from [Chain.GetMany]: there is no such name
}

// Operation is one change of metadata. Make it with [Set], [SetBound], [Delete], [Raise], [DeleteRange] or [DeletePrefix].
type Operation struct {
	kind     operationKind
	name     string // of a range: its first name
	to       string // of a range: the name it ends below; empty: it has no end
	value    []byte
	ofHeight uint64
	number   uint64
}

type operationKind uint8

const (
	operationSet operationKind = iota + 1
	operationDelete
	operationRaise
	operationDeleteRange
)

// Set sets a name to a value. A name has 1 to 1,024 bytes. The operation refers to value until it has been passed to a
// call that returned.
func Set(name string, value []byte) Operation {
	return Operation{kind: operationSet, name: name, value: value}
}

// SetBound sets a name to a value and binds it to a height, from 1: it goes when the block there is pruned or rolled back.
func SetBound(name string, value []byte, ofHeight uint64) Operation {
	return Operation{kind: operationSet, name: name, value: value, ofHeight: ofHeight}
}

// Delete deletes a name. Deleting what is absent is fine.
func Delete(name string) Operation {
	return Operation{kind: operationDelete, name: name}
}

// Raise sets a name to a number, 8 bytes little-endian, if that is greater than the number stored there. An absent value
// counts as 0, and so does one that has not 8 bytes.
func Raise(name string, number uint64) Operation {
	return Operation{kind: operationRaise, name: name, number: number}
}

// DeleteRange deletes all names from one, included, to another, not included. An empty to means the end of the names. Only
// in commits; it takes time independent of what the range holds. A commit with more than 1,024 ranges is ErrTooLarge.
func DeleteRange(from, to string) Operation {
	return Operation{kind: operationDeleteRange, name: from, to: to}
}

// DeletePrefix deletes all names that begin with prefix. As [DeleteRange] it is for commits only.
func DeletePrefix(prefix string) Operation {
	return DeleteRange(prefix, prefixEnd(prefix))
}

// prefixEnd returns the first name behind all that begin with prefix, or "" if there is none.
func prefixEnd(prefix string) string {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			return prefix[:i] + string([]byte{prefix[i] + 1})
		}
	}
	return ""
}

// ListRequest says which names [Chain.List] gives, all of one instant. Start and End bound the names in byte order,
// whatever the direction.
type ListRequest struct {
	Prefix  string        // only names that begin with it; empty: all
	Start   string        // only names not below it; empty: no bound
	End     string        // only names below it; empty: no bound
	Reverse bool          // from the last name down
	Limit   uint64        // how many at most, counted from where the list begins; 0: all
	Parts   MetadataParts // what is told of each name beside the name itself
}

// CommitRequest is one atomic change of a chain: all of it is applied, or nothing. The parts take effect in the order
// Blocks, DeleteBlocks, States, DeleteStates, RiseTo, Metadata.
type CommitRequest struct {
	Level          Level   // LevelDefault: durable
	Carry          bool    // take all metadata that was accepted before along
	ExpectedHeight *uint64 // refuse with ErrHeight unless this is the chain's height; nil: no condition
	Blocks         []Block
	DeleteBlocks   []uint64 // heights, from 1; the height and metadata bound to them stay
	States         []State
	DeleteStates   []uint64
	RiseTo         uint64 // raise the chain's height to this if it is lower; 0: leave it
	Metadata       []Operation
}

// PruneRequest says what [Chain.Prune] drops. Repeating it is fine.
type PruneRequest struct {
	Level         Level
	BlocksThrough uint64      // blocks up to and including it, with metadata bound to them; 0: none
	StatesThrough *uint64     // states up to and including it; nil: none
	Metadata      []Operation // takes effect after the prune
	DryRun        bool        // change nothing, tell what would go
}

// RollbackRequest says where [Chain.Rollback] goes back to.
type RollbackRequest struct {
	Level    Level
	To       uint64 // the height to go back to; what is above it goes
	Guards   []Guard
	Metadata []Operation // takes effect after the rollback
	DryRun   bool        // change nothing, tell what would go
}

// Guard is a name that holds a height, 8 bytes little-endian, which a rollback must not go below. An absent name passes.
type Guard struct {
	Name          string
	Lower         bool // where it is above the target, set it to the target instead of refusing with ErrGuard
	PassMalformed bool // a value that has not 8 bytes passes, instead of being ErrInvalid
}

// WriteResult tells of a write that was applied.
type WriteResult struct {
	Sequence uint64 // the write's number among all of the daemon's; 0: a dry run, or not known
	Level    Level  // the level that was reached
	Repeated bool   // the connection was lost before the answer, and it was found to be applied
	// Of a rollback and of dry runs: what went, or would go. Like Sequence, not known if Repeated is set.
	Blocks, States, Metadata uint64
	Lowered                  uint64 // guards that were lowered
}

// ChainInfo is what [Client.Chains] tells of a chain.
type ChainInfo struct {
	Name                string
	Height              uint64
	BlocksPrunedThrough uint64 // 0: none
	StatesPruned        bool
	StatesPrunedThrough uint64     // if StatesPruned
	Claim               *ClaimInfo // nil: not claimed
}

// ClaimInfo is what is known of who claims a chain.
type ClaimInfo struct {
	Sequence uint64 // of the claim
	Writer   string
	UID, PID uint32
	Held     bool // it may be claimed only by taking it over
}

// StatusEntry is a line of the daemon's status page: a number, or a text.
type StatusEntry struct {
	Name   string
	Number uint64
	Text   string // if not empty, instead of Number
}

// DaemonInfo is what the daemon told when the client connected last.
type DaemonInfo struct {
	Version  string
	StoreID  [16]byte
	Run      uint64 // rises with every start of the daemon
	Features uint64 // bits of the protocol's Feature
	Limits   Limits
}

// Limits are the daemon's bounds in bytes, as of the last connection.
type Limits struct {
	FrameBytesMax  uint64 // of a request or reply: a commit with all it brings
	ValueBytesMax  uint64 // of a value in Write, Set and Delete; a larger one fits in a commit
	WindowBytesMax uint64
}
