package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/celestiaorg/go-header"
)

var _ header.Header[*exampleHeader] = (*exampleHeader)(nil)

// exampleHeader is the smallest header that go-header's store takes. Its hash is the SHA-256 of its bytes.
type exampleHeader struct {
	Chain    string
	Number   uint64
	Previous header.Hash
	Made     time.Time
}

func (h *exampleHeader) New() *exampleHeader     { return new(exampleHeader) }
func (h *exampleHeader) IsZero() bool            { return h == nil }
func (h *exampleHeader) ChainID() string         { return h.Chain }
func (h *exampleHeader) Height() uint64          { return h.Number }
func (h *exampleHeader) LastHeader() header.Hash { return h.Previous }
func (h *exampleHeader) Time() time.Time         { return h.Made }
func (h *exampleHeader) Validate() error         { return nil }

func (h *exampleHeader) Hash() header.Hash {
	encoded, err := h.MarshalBinary()
	if err != nil {
		panic(err) // a struct of these fields can always be encoded
	}
	hash := sha256.Sum256(encoded)
	return hash[:]
}

// Verify checks a header that comes after h.
func (h *exampleHeader) Verify(next *exampleHeader) error {
	if next.Number == h.Number+1 && !bytes.Equal(next.Previous, h.Hash()) {
		return &header.VerifyError{Reason: fmt.Errorf("header %d names %s as its predecessor, not %s", next.Number, next.Previous, h.Hash())}
	}
	return nil
}

func (h *exampleHeader) MarshalBinary() ([]byte, error) { return json.Marshal(h) }
func (h *exampleHeader) UnmarshalBinary(b []byte) error { return json.Unmarshal(b, h) }
