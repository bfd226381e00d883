package cairn

import (
	"encoding/binary"
	"math/bits"
)

// The frames and messages of proto/PROTOCOL.md and proto/cairn.proto, written by hand: there are few of them, and encoding
// into a buffer that is used again costs no allocation.

const (
	frameMagic         = 0xca
	requestHeaderBytes = 16
	replyHeaderBytes   = 32
	replyBit           = 0x80

	flagContinued = 1
	flagMore      = 2
)

type frameType uint8

const (
	frameHello           frameType = 1
	frameStatus          frameType = 3
	frameChains          frameType = 4
	frameCreateChain     frameType = 5
	frameDropChain       frameType = 6
	frameClaim           frameType = 8
	framePresent         frameType = 9
	frameRelease         frameType = 10
	frameHeight          frameType = 16
	frameReadBlock       frameType = 17
	frameReadBlocks      frameType = 18
	frameReadState       frameType = 19
	frameGetMetadata     frameType = 20
	frameGetMetadataMany frameType = 21
	frameListMetadata    frameType = 22
	frameCredit          frameType = 23
	frameCancel          frameType = 24
	frameUsage           frameType = 25
	frameWriteMetadata   frameType = 32
	frameCommit          frameType = 33
	framePrune           frameType = 34
	frameRollback        frameType = 35
	frameBarrier         frameType = 36
)

var frameNames = map[frameType]string{
	frameHello: "hello", frameStatus: "status", frameChains: "chains", frameCreateChain: "create chain",
	frameDropChain: "drop chain", frameClaim: "claim", framePresent: "present", frameRelease: "release",
	frameHeight: "height", frameReadBlock: "read block", frameReadBlocks: "read blocks", frameReadState: "read state",
	frameGetMetadata: "get metadata", frameGetMetadataMany: "get metadata many", frameListMetadata: "list metadata",
	frameUsage: "usage", frameWriteMetadata: "write metadata", frameCommit: "commit", framePrune: "prune",
	frameRollback: "rollback", frameBarrier: "barrier",
}

// The features of proto/cairn.proto that this client asks for.
const (
	featurePruneDryRun = 1
	featureLists       = 2
	featureDeletes     = 4
	featureClaims      = 8
	featuresWanted     = featurePruneDryRun | featureLists | featureDeletes | featureClaims
)

const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// beginFrame begins a request in b, which is overwritten. endFrame ends it.
func beginFrame(b []byte, kind frameType) []byte {
	return append(b[:0], frameMagic, byte(kind), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// endFrame writes the length of the body. A body of 4 GiB or more is refused before, by its size.
func endFrame(frame []byte) {
	binary.LittleEndian.PutUint32(frame[4:], uint32(len(frame)-requestHeaderBytes))
}

func setFrameID(frame []byte, id uint64) {
	binary.LittleEndian.PutUint64(frame[8:], id)
}

// The fields of the messages a client sends are all below 16, so that a key is one byte.

func appendUint(b []byte, field int, v uint64) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3|wireVarint)), v)
}

// appendUintIf leaves a zero out.
func appendUintIf(b []byte, field int, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendUint(b, field, v)
}

func appendTrueIf(b []byte, field int, v bool) []byte {
	if !v {
		return b
	}
	return append(b, byte(field<<3|wireVarint), 1)
}

func appendFixed64(b []byte, field int, v uint64) []byte {
	return binary.LittleEndian.AppendUint64(append(b, byte(field<<3|wireFixed64)), v)
}

func appendLength(b []byte, field int, n int) []byte {
	return binary.AppendUvarint(append(b, byte(field<<3|wireBytes)), uint64(n))
}

func appendBytes(b []byte, field int, v []byte) []byte {
	return append(appendLength(b, field, len(v)), v...)
}

func appendString(b []byte, field int, v string) []byte {
	return append(appendLength(b, field, len(v)), v...)
}

func appendStringIf(b []byte, field int, v string) []byte {
	if v == "" {
		return b
	}
	return appendString(b, field, v)
}

func uvarintBytes(v uint64) int { return (bits.Len64(v|1) + 6) / 7 }

func uintFieldBytes(v uint64) int { return 1 + uvarintBytes(v) }

func bytesFieldBytes(n int) int { return 1 + uvarintBytes(uint64(n)) + n }

// appendPacked appends a packed list of numbers; nothing if it is empty.
func appendPacked(b []byte, field int, numbers []uint64) []byte {
	if len(numbers) == 0 {
		return b
	}
	n := 0
	for _, v := range numbers {
		n += uvarintBytes(v)
	}
	b = appendLength(b, field, n)
	for _, v := range numbers {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

// field is one field of a message.
type field struct {
	number int
	wire   int
	uint   uint64
	bytes  []byte // part of the message
}

// nextField takes the first field off a message that is not empty. ok is false if the message is malformed.
func nextField(b []byte) (f field, rest []byte, ok bool) {
	key, n := binary.Uvarint(b)
	if n <= 0 || n > 5 || key>>3 == 0 || key>>3 > 1<<29-1 {
		return field{}, nil, false
	}
	b = b[n:]
	f.number, f.wire = int(key>>3), int(key&7)
	switch f.wire {
	case wireVarint:
		f.uint, n = binary.Uvarint(b)
		if n <= 0 {
			return field{}, nil, false
		}
		return f, b[n:], true
	case wireFixed64:
		if len(b) < 8 {
			return field{}, nil, false
		}
		f.uint = binary.LittleEndian.Uint64(b)
		return f, b[8:], true
	case wireFixed32:
		if len(b) < 4 {
			return field{}, nil, false
		}
		f.uint = uint64(binary.LittleEndian.Uint32(b))
		return f, b[4:], true
	case wireBytes:
		length, n := binary.Uvarint(b)
		if n <= 0 || length > uint64(len(b)-n) {
			return field{}, nil, false
		}
		end := n + int(length)
		f.bytes = b[n:end:end]
		return f, b[end:], true
	}
	return field{}, nil, false
}

// decode calls take for each field of a message. take returns whether it takes a field of that number and wire type; one
// whose number it knows with another wire type makes the message malformed, which decode tells by false.
func decode(b []byte, take func(f *field) bool) bool {
	for len(b) > 0 {
		f, rest, ok := nextField(b)
		if !ok || !take(&f) {
			return false
		}
		b = rest
	}
	return true
}
