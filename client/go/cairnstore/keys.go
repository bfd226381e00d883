package cairnstore

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/evstack/ev-node/pkg/store"
	ds "github.com/ipfs/go-datastore"
)

// What ev-node's DefaultStore keeps under a key, and where it is on a chain.
type keyKind uint8

const (
	keyOther     keyKind = iota // nothing of DefaultStore's: a name with the prefix before it, as on any datastore
	keyHeader                   // /h/N, of block N
	keyData                     // /d/N
	keySignature                // /c/N
	keyState                    // /s/N, state N
	keyIndex                    // /i/HASH, which the daemon keeps
	keyHeight                   // /t, the chain's height
	keyMetadata                 // /m/K, metadata m/K
)

// place is where on a chain the value of a key is.
type place struct {
	kind   keyKind
	height uint64 // of the block or state; of metadata that is bound to it, else 0
	name   string // of metadata
	hash   []byte // of keyIndex
}

// rawPrefix is what ev-node puts before the keys of its store.
const rawPrefix = "/" + store.EvPrefix

// placeOf finds the place of a key as DefaultStore gives it to its datastore, without the prefix of ev-node.
func placeOf(key string) place {
	switch {
	case key == "/t":
		return place{kind: keyHeight}
	case key == "/m" || strings.HasPrefix(key, "/m/"):
		return metadataPlace(key[1:])
	case len(key) > 3 && key[0] == '/' && key[2] == '/':
		rest := key[3:]
		if key[1] == 'i' {
			if hash, ok := parseHash(rest); ok {
				return place{kind: keyIndex, hash: hash}
			}
		} else if height, ok := parseHeight(rest); ok {
			switch {
			case key[1] == 's':
				return place{kind: keyState, height: height}
			case height == 0: // blocks begin at 1
			case key[1] == 'h':
				return place{kind: keyHeader, height: height}
			case key[1] == 'd':
				return place{kind: keyData, height: height}
			case key[1] == 'c':
				return place{kind: keySignature, height: height}
			}
		}
	}
	return place{kind: keyOther, name: rawPrefix + key}
}

// metadataPlace binds rhb/N/…, where block N was included, to N: it goes when block N is pruned or rolled back.
func metadataPlace(name string) place {
	p := place{kind: keyMetadata, name: name}
	if rest, ok := strings.CutPrefix(name, "m/"+store.HeightToDAHeightKey+"/"); ok {
		number, _, ok := strings.Cut(rest, "/")
		if height, isHeight := parseHeight(number); ok && isHeight {
			p.height = height
		}
	}
	return p
}

// metadataOf is the place of a key of store.Metadata. It is cleaned like a path, as ev-node's own store does; one that leads out of the
// metadata by it is refused.
func metadataOf(key string) (place, error) {
	cleaned := ds.NewKey(store.GetMetaKey(key)).String()
	if cleaned != "/m" && !strings.HasPrefix(cleaned, "/m/") {
		return place{}, fmt.Errorf("cairnstore: metadata key %q leads to %q, which is not metadata", key, cleaned)
	}
	return metadataPlace(cleaned[1:]), nil
}

// parseHeight takes a height only as ev-node writes it, so that no two keys have one place.
func parseHeight(text string) (uint64, bool) {
	height, err := strconv.ParseUint(text, 10, 64)
	return height, err == nil && strconv.FormatUint(height, 10) == text
}

func parseHash(text string) ([]byte, bool) {
	hash, err := hex.DecodeString(text)
	return hash, err == nil && len(hash) >= 1 && len(hash) <= hashBytesMax && strings.ToUpper(text) == text
}

// hashBytesMax bounds the hash of a block.
const hashBytesMax = 64
