// Package evnode knows how ev-node v1.2.2 and earlier lay out their store in a key-value database, without ev-node's code:
// which key is what, and the few fields of the stored messages that a check of the chain needs.
package evnode

import (
	"bytes"
	"encoding/hex"
	"strconv"
)

// Kind says what a key holds.
type Kind uint8

// The kinds of keys.
const (
	Raw       Kind = iota // not of the store: written by a sequencer, an executor, or unknown
	Height                // the chain's height, 8 bytes little-endian
	Header                // the signed header of a block
	Data                  // the data of a block
	Signature             // the signature of a block, may be empty
	State                 // the state behind a block
	Index                 // the height of the block whose signed header has this SHA-256, 8 bytes little-endian
	Metadata              // anything else that the store keeps
)

// Key is one key of a node's database, taken apart.
type Key struct {
	Kind Kind
	// Height is that of a Header, Data, Signature or State. Of Metadata it is the height that it belongs to and is pruned
	// with, 0 if none.
	Height uint64
	// Hash is that of an Index, 32 bytes.
	Hash []byte
	// Name is what the key is called in a cairn chain: of Metadata the key behind the layout's prefix, without a leading
	// slash, such as "m/gdh"; of Raw the whole key. It shares the key's memory.
	Name []byte
}

// Names of metadata that mean something to an import.
const (
	NameBlocksPruned = "m/lst-prnd-b" // the last height whose block was pruned, 8 bytes little-endian
	NameStatesPruned = "m/lst-prnd-s" // the last height whose state was pruned, 8 bytes little-endian
)

// letters are what the keys of a kind begin with, behind the layout's prefix and a slash.
const letters = "?thdcsim"

// kindOf is the kind that a letter stands for, of those whose keys have more behind it.
func kindOf(letter byte) Kind {
	switch letter {
	case 'h':
		return Header
	case 'd':
		return Data
	case 'c':
		return Signature
	case 's':
		return State
	case 'i':
		return Index
	case 'm':
		return Metadata
	}
	return Raw
}

// Layout is where a node keeps its store inside the database: full nodes below "/0", light nodes at the top.
type Layout string

// The two layouts.
const (
	Full  Layout = "/0"
	Light Layout = ""
)

// Parse takes a key apart. A key that the layout does not write is Raw, so that no key is lost: "/0/h/007" is.
func (l Layout) Parse(key []byte) Key {
	raw := Key{Kind: Raw, Name: key}
	rest, found := bytes.CutPrefix(key, []byte(l))
	if !found || len(rest) < 2 || rest[0] != '/' {
		return raw
	}
	if rest[1] == 't' && len(rest) == 2 {
		return Key{Kind: Height}
	}
	if len(rest) < 4 || rest[2] != '/' {
		return raw
	}
	kind, tail := kindOf(rest[1]), rest[3:]
	switch kind {
	case Header, Data, Signature, State:
		height, ok := parseHeight(tail)
		if !ok || height == 0 && kind != State {
			return raw
		}
		return Key{Kind: kind, Height: height}
	case Index:
		hash, ok := parseHash(tail)
		if !ok {
			return raw
		}
		return Key{Kind: Index, Hash: hash}
	case Metadata:
		if tail[0] == '/' {
			return raw
		}
		return Key{Kind: Metadata, Height: boundHeight(tail), Name: rest[1:]}
	}
	return raw
}

// Key is the key of a block's or state's part, the inverse of Parse.
func (l Layout) Key(kind Kind, height uint64) []byte {
	key := append(make([]byte, 0, len(l)+3+20), l...)
	return strconv.AppendUint(append(key, '/', letters[kind], '/'), height, 10)
}

// HeightKey is the key of the chain's height.
func (l Layout) HeightKey() []byte { return []byte(string(l) + "/t") }

// IndexKey is the key that leads from a hash to a height.
func (l Layout) IndexKey(hash []byte) []byte {
	return append([]byte(string(l)+"/i/"), bytes.ToUpper([]byte(hex.EncodeToString(hash)))...)
}

// NameKey is the key of a name in a cairn chain. Names with a leading slash are keys; the others are the store's metadata.
func (l Layout) NameKey(name string) []byte {
	if name != "" && name[0] == '/' {
		return []byte(name)
	}
	return []byte(string(l) + "/" + name)
}

// Run is the beginning that a key shares with the others of its kind, such as "/0/h/"; nil for a key that has no kind. A run
// may hold Raw keys too.
func (l Layout) Run(key []byte) []byte {
	end := len(l) + 3
	if len(key) < end || !bytes.HasPrefix(key, []byte(l)) || key[len(l)] != '/' || key[len(l)+2] != '/' ||
		kindOf(key[len(l)+1]) == Raw {
		return nil
	}
	return key[:end]
}

// parseHeight reads a decimal number as ev-node writes it, without leading zeros.
func parseHeight(text []byte) (uint64, bool) {
	if len(text) == 0 || len(text) > 1 && text[0] == '0' || text[0] == '+' {
		return 0, false
	}
	height, err := strconv.ParseUint(string(text), 10, 64)
	return height, err == nil
}

// parseHash reads 64 capital hexadecimal digits, as ev-node writes them.
func parseHash(text []byte) ([]byte, bool) {
	if len(text) != 64 || bytes.ContainsAny(text, "abcdef") {
		return nil, false
	}
	hash, err := hex.DecodeString(string(text))
	return hash, err == nil
}

// boundHeight is the height in "rhb/<height>/…", where ev-node keeps at which height of the DA layer a block lies, and
// deletes it with the block; 0 for any other name.
func boundHeight(name []byte) uint64 {
	rest, found := bytes.CutPrefix(name, []byte("rhb/"))
	digits, tail, cut := bytes.Cut(rest, []byte("/"))
	if !found || !cut || len(tail) == 0 {
		return 0
	}
	height, ok := parseHeight(digits)
	if !ok {
		return 0
	}
	return height
}
