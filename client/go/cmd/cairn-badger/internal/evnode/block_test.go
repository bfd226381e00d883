package evnode

import (
	"bytes"
	"crypto/sha256"
	"testing"
)

// bytesField is a protobuf field of less than 128 bytes.
func bytesField(number int, value []byte) []byte {
	return append([]byte{byte(number<<3 | 2), byte(len(value))}, value...)
}

func TestParseHeader(t *testing.T) {
	last, data := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	header := bytes.Join([][]byte{bytesField(1, []byte{8, 11}), {2 << 3, 0xac, 2}, {3 << 3, 5}, bytesField(4, last),
		bytesField(6, data), bytesField(12, []byte("chain"))}, nil)
	signed := append(bytesField(1, header), bytesField(2, []byte("signature"))...)
	got, err := ParseHeader(signed)
	if err != nil {
		t.Fatal(err)
	}
	if got.Height != 300 || !bytes.Equal(got.LastHeaderHash, last) || !bytes.Equal(got.DataHash, data) {
		t.Errorf("%+v", got)
	}
	if got.Hash != sha256.Sum256(header) {
		t.Error("the hash is not that of the header's bytes")
	}

	// One of the old form, as ev-node writes it now: the old fields behind the others.
	commit := bytes.Repeat([]byte{3}, 32)
	again := append(bytes.Clone(header), bytesField(5, commit)...)
	old := bytes.Join([][]byte{bytesField(1, []byte{8, 11}), {2 << 3, 0xac, 2}, {3 << 3, 5}, bytesField(4, last),
		bytesField(5, commit), bytesField(6, data), bytesField(7, make([]byte, 32)), bytesField(12, []byte("chain"))}, nil)
	got, err = ParseHeader(bytesField(1, again)[0:0:0])
	if err == nil {
		t.Error("an empty message passed for a signed header")
	}
	signed = append([]byte{1<<3 | 2, byte(len(again)&0x7f | 0x80), byte(len(again) >> 7)}, again...)
	if got, err = ParseHeader(signed); err != nil || got.Hash != sha256.Sum256(old) {
		t.Errorf("the hash of an old header is %x (%v), not %x", got.Hash, err, sha256.Sum256(old))
	}
}

func TestDataHash(t *testing.T) {
	empty, err := DataHash(bytesField(1, []byte{8, 1}))
	if err != nil || empty != sha256.Sum256([]byte{0}) {
		t.Errorf("%x %v", empty, err)
	}
	txs := append(bytesField(2, []byte("one")), bytesField(2, nil)...)
	got, err := DataHash(append(bytesField(1, []byte{8, 1}), txs...))
	if err != nil || got != sha256.Sum256(append([]byte{0}, txs...)) {
		t.Errorf("%x %v", got, err)
	}
}

func TestParseState(t *testing.T) {
	initial, last, err := ParseState(bytes.Join([][]byte{bytesField(2, []byte("chain")), {3 << 3, 7}, {4 << 3, 0xac, 2}}, nil))
	if err != nil || initial != 7 || last != 300 {
		t.Error(initial, last, err)
	}
}

// No bytes make the reading of messages fail in any way but by its error.
func FuzzMessages(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{0x0a, 4, 2 << 3, 1, 5<<3 | 2, 0})
	f.Add([]byte{1<<3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 1<<3 | 5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		_, _ = ParseHeader(message)
		_, _ = DataHash(message)
		_, _, _ = ParseState(message)
	})
}
