package evnode

import (
	"bytes"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	digest := strings.Repeat("0A", 32)
	tests := []struct {
		layout Layout
		key    string
		kind   Kind
		height uint64
		name   string
	}{
		{Full, "/0/t", Height, 0, ""},
		{Full, "/0/h/1", Header, 1, ""},
		{Full, "/0/d/18446744073709551615", Data, 1<<64 - 1, ""},
		{Full, "/0/c/10", Signature, 10, ""},
		{Full, "/0/s/0", State, 0, ""},
		{Full, "/0/i/" + digest, Index, 0, ""},
		{Full, "/0/m/d", Metadata, 0, "m/d"},
		{Full, "/0/m/rhb/7/h", Metadata, 7, "m/rhb/7/h"},
		{Full, "/0/m/rhb/0/h", Metadata, 0, "m/rhb/0/h"},
		{Full, "/0/m/rhb/07/h", Metadata, 0, "m/rhb/07/h"},
		{Full, "/0/m/rhb/7", Metadata, 0, "m/rhb/7"},
		{Full, "/0/m/rhb/7/", Metadata, 0, "m/rhb/7/"},
		{Full, "/0/m/cache/header-da-included/__snap", Metadata, 0, "m/cache/header-da-included/__snap"},
		{Light, "/h/3", Header, 3, ""},
		{Light, "/m/d", Metadata, 0, "m/d"},
		// What the layout does not write stays what it is.
		{Full, "/0/h/0", Raw, 0, "/0/h/0"},
		{Full, "/0/h/007", Raw, 0, "/0/h/007"},
		{Full, "/0/h/+7", Raw, 0, "/0/h/+7"},
		{Full, "/0/h/", Raw, 0, "/0/h/"},
		{Full, "/0/h/18446744073709551616", Raw, 0, "/0/h/18446744073709551616"},
		{Full, "/0/i/" + strings.ToLower(digest), Raw, 0, "/0/i/" + strings.ToLower(digest)},
		{Full, "/0/i/0A", Raw, 0, "/0/i/0A"},
		{Full, "/0/m/", Raw, 0, "/0/m/"},
		{Full, "/0/m//d", Raw, 0, "/0/m//d"},
		{Full, "/0/x/1", Raw, 0, "/0/x/1"},
		{Full, "/0", Raw, 0, "/0"},
		{Full, "/h/3", Raw, 0, "/h/3"},
		{Full, "/batches/000000000000001f", Raw, 0, "/batches/000000000000001f"},
		{Full, "/evm/execmeta/\x00\x00/.", Raw, 0, "/evm/execmeta/\x00\x00/."},
		{Light, "/", Raw, 0, "/"},
	}
	for _, test := range tests {
		key := test.layout.Parse([]byte(test.key))
		if key.Kind != test.kind || key.Height != test.height || string(key.Name) != test.name {
			t.Errorf("Parse(%q) = kind %d, height %d, name %q", test.key, key.Kind, key.Height, key.Name)
		}
	}
}

// What Parse takes apart is put together again to the same bytes, whatever the key.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"/0/t", "/0/h/1", "/0/s/0", "/0/m/rhb/1/h", "/0/m//", "/t", "/0/i/" + strings.Repeat("F0", 32), "/x"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, key []byte, full bool) {
		layout := Light
		if full {
			layout = Full
		}
		if len(key) == 0 || key[0] != '/' {
			return // no key of a datastore, and not taken
		}
		parsed := layout.Parse(key)
		var again []byte
		switch parsed.Kind {
		case Height:
			again = layout.HeightKey()
		case Index:
			again = layout.IndexKey(parsed.Hash)
		case Metadata, Raw:
			again = layout.NameKey(string(parsed.Name))
		default:
			again = layout.Key(parsed.Kind, parsed.Height)
		}
		if !bytes.Equal(again, key) {
			t.Fatalf("%q came back as %q", key, again)
		}
	})
}
