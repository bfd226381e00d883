package evnode

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

// A node stores its messages in the protobuf encoding. What is read here is only the way down to the fields that link one
// block to the next; everything else stays the bytes that it is.

// BlockHeader is what a stored signed header says that a check needs. The slices share its memory.
type BlockHeader struct {
	Height         uint64
	LastHeaderHash []byte
	DataHash       []byte
	Hash           [sha256.Size]byte // what the next header has as its LastHeaderHash
}

var errMessage = errors.New("not a message in the protobuf encoding")

// Wire types of protobuf fields.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// Numbers of fields in ev-node's messages.
const (
	signedHeaderHeader = 1

	headerVersion    = 1
	headerHeight     = 2
	headerTime       = 3
	headerLastHash   = 4
	headerCommitHash = 5 // of headers made before ev-node v1.0
	headerDataHash   = 6
	headerConsensus  = 7 // likewise
	headerAppHash    = 8
	headerResults    = 9 // likewise
	headerFieldMax   = 12

	dataTxs = 2

	stateInitialHeight   = 3
	stateLastBlockHeight = 4
)

// field is one field of a message: a number for varints, bytes for what has a length.
type field struct {
	number int
	wire   int
	value  uint64
	bytes  []byte
	raw    []byte // tag and all
}

// next takes the first field off a message.
func next(message []byte) (field, []byte, error) {
	tag, n := binary.Uvarint(message)
	if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29-1 {
		return field{}, nil, errMessage
	}
	f := field{number: int(tag >> 3), wire: int(tag & 7)}
	rest := message[n:]
	switch f.wire {
	case wireVarint:
		if f.value, n = binary.Uvarint(rest); n <= 0 {
			return field{}, nil, errMessage
		}
		rest = rest[n:]
	case wireBytes:
		length, n := binary.Uvarint(rest)
		if n <= 0 || length > uint64(len(rest)-n) {
			return field{}, nil, errMessage
		}
		f.bytes = rest[n : n+int(length)]
		rest = rest[n+int(length):]
	case wireFixed64, wireFixed32:
		width := 8
		if f.wire == wireFixed32 {
			width = 4
		}
		if len(rest) < width {
			return field{}, nil, errMessage
		}
		rest = rest[width:]
	default:
		return field{}, nil, errMessage
	}
	f.raw = message[:len(message)-len(rest)]
	return f, rest, nil
}

// ParseHeader reads a stored signed header.
func ParseHeader(signed []byte) (BlockHeader, error) {
	var header []byte
	for rest := signed; len(rest) > 0; {
		f, tail, err := next(rest)
		if err != nil {
			return BlockHeader{}, err
		}
		if f.number == signedHeaderHeader && f.wire == wireBytes {
			header = f.bytes
		}
		rest = tail
	}
	if header == nil {
		return BlockHeader{}, errors.New("a signed header without a header")
	}
	var result BlockHeader
	var fields [headerFieldMax + 1]field
	for rest := header; len(rest) > 0; {
		f, tail, err := next(rest)
		if err != nil {
			return BlockHeader{}, err
		}
		if f.number <= headerFieldMax {
			fields[f.number] = f
		}
		rest = tail
	}
	result.Height = fields[headerHeight].value
	result.LastHeaderHash = fields[headerLastHash].bytes
	result.DataHash = fields[headerDataHash].bytes
	result.Hash = headerHash(header, &fields)
	return result, nil
}

// headerHash is the hash that ev-node gives a header: of its bytes, or for one of the old form of its fields in the order of
// their numbers, with what was always there then.
func headerHash(header []byte, fields *[headerFieldMax + 1]field) [sha256.Size]byte {
	if len(fields[headerCommitHash].bytes)+len(fields[headerConsensus].bytes)+len(fields[headerResults].bytes) == 0 {
		return sha256.Sum256(header)
	}
	always := map[int][]byte{
		headerVersion:   {headerVersion<<3 | wireBytes, 0},
		headerHeight:    {headerHeight<<3 | wireVarint, 0},
		headerTime:      {headerTime<<3 | wireVarint, 0},
		headerConsensus: append([]byte{headerConsensus<<3 | wireBytes, 32}, make([]byte, 32)...),
	}
	var old []byte
	for number := 1; number <= headerFieldMax; number++ {
		f := fields[number]
		switch {
		case f.raw != nil && (f.wire == wireVarint || len(f.bytes) > 0):
			old = append(old, f.raw...)
		default:
			old = append(old, always[number]...)
		}
	}
	return sha256.Sum256(old)
}

// DataHash is the hash that a header has of its block's data: of the transactions, without the metadata beside them.
func DataHash(data []byte) ([sha256.Size]byte, error) {
	hash := sha256.New()
	hash.Write([]byte{0})
	for rest := data; len(rest) > 0; {
		f, tail, err := next(rest)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		if f.number == dataTxs && f.wire == wireBytes {
			hash.Write(f.raw)
		}
		rest = tail
	}
	return [sha256.Size]byte(hash.Sum(nil)), nil
}

// ParseState reads of a stored state the chain's first height and the height of the last block before it.
func ParseState(state []byte) (initial, last uint64, err error) {
	for rest := state; len(rest) > 0; {
		f, tail, err := next(rest)
		if err != nil {
			return 0, 0, err
		}
		switch {
		case f.wire != wireVarint:
		case f.number == stateInitialHeight:
			initial = f.value
		case f.number == stateLastBlockHeight:
			last = f.value
		}
		rest = tail
	}
	return initial, last, nil
}
