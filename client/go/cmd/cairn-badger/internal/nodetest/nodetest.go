// Package nodetest makes Badger directories as ev-node v1.2.2 writes them, for tests.
package nodetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"cairn.invalid/client/go/cmd/cairn-badger/internal/evnode"
)

// Node says what a directory has.
type Node struct {
	Layout       evnode.Layout
	Seed         uint64
	First        uint64 // the first block's height; 0 is 1
	Height       uint64
	BlockBytes   int                               // of transactions; 0: blocks are empty
	BlocksPruned uint64                            // with its mark; 0: none
	StatesPruned uint64                            // likewise
	Pending      bool                              // a block above the height, without a signature, as old nodes leave it
	Leftovers    int                               // entries of the hash index that no block has
	ValueMax     int64                             // bound on a value; 0: 8 MiB
	Edit         func(set func(key, value []byte)) // what else to write, over all else; may be nil
}

// Block is one block of a node, and the state behind it.
type Block struct {
	Header, Data, Signature, State []byte
	Hash                           [32]byte // of the header, unsigned
}

// Write makes the directory and closes it, as a node that is stopped does.
func (n Node) Write(t testing.TB, dir string) {
	t.Helper()
	if err := n.write(dir).Close(); err != nil {
		t.Fatal(err)
	}
}

// Open makes the directory and leaves it open, as a running node does: to be closed, or to be left as a killed one leaves it.
func (n Node) Open(t testing.TB, dir string) *badger.DB {
	t.Helper()
	return n.write(dir)
}

func (n Node) write(dir string) *badger.DB {
	options := badger.DefaultOptions(dir).WithLogger(nil).WithMetricsEnabled(false).WithNumCompactors(2)
	options = options.WithMemTableSize(8 << 20).WithValueLogFileSize(max(n.ValueMax, 8<<20)) // the logs are twice as long while it is open
	db, err := badger.Open(options)
	if err != nil {
		panic(err)
	}
	batch := db.NewWriteBatch()
	set := func(key, value []byte) {
		if err := batch.Set(key, value); err != nil {
			panic(err)
		}
	}
	n.blocks(set)
	n.names(set)
	if n.Edit != nil {
		n.Edit(set)
	}
	if err := batch.Flush(); err != nil {
		panic(err)
	}
	return db
}

func (n Node) first() uint64 { return max(n.First, 1) }

func (n Node) blocks(set func(key, value []byte)) {
	random := rand.New(rand.NewPCG(n.Seed, 1))
	var last Block
	top := n.Height
	if n.Pending {
		top++
	}
	if n.Height > 0 {
		set(n.Layout.Key(evnode.State, n.first()-1), State(n.first(), n.first()-1, nil))
	}
	for height := n.first(); height <= top; height++ {
		block := MakeBlock(random, n.first(), height, n.BlockBytes, last.Hash[:])
		if height > n.Height {
			block.Signature = nil
		}
		if height > n.BlocksPruned {
			set(n.Layout.Key(evnode.Header, height), block.Header)
			set(n.Layout.Key(evnode.Data, height), block.Data)
			set(n.Layout.Key(evnode.Signature, height), block.Signature)
			index := sha256.Sum256(block.Header)
			set(n.Layout.IndexKey(index[:]), U64(height))
		}
		if height > n.StatesPruned && height <= n.Height {
			set(n.Layout.Key(evnode.State, height), block.State)
		}
		last = block
	}
	for range n.Leftovers {
		var hash [32]byte
		binary.LittleEndian.PutUint64(hash[8:], random.Uint64())
		set(n.Layout.IndexKey(hash[:]), U64(1+random.Uint64N(top)))
	}
}

func (n Node) names(set func(key, value []byte)) {
	meta := func(name string, value []byte) { set(n.Layout.NameKey("m/"+name), value) }
	if n.Height > 0 {
		set(n.Layout.HeightKey(), U64(n.Height))
		meta("d", U64(n.Height))
		meta("gdh", U64(17))
	}
	meta("cache/header-da-included/__snap", nil)
	meta("last-submitted-header-height", U64(n.Height))
	meta("pending_data", make([]byte, 3000))
	for height := max(n.first(), n.BlocksPruned+1); height <= n.Height+2; height++ {
		meta(fmt.Sprintf("rhb/%d/h", height), U64(height+16))
		meta(fmt.Sprintf("rhb/%d/d", height), U64(height+17))
	}
	if n.BlocksPruned > 0 {
		meta("lst-prnd-b", U64(n.BlocksPruned))
	}
	if n.StatesPruned > 0 {
		meta("lst-prnd-s", U64(n.StatesPruned))
	}
	if n.Layout == evnode.Full {
		set([]byte("/batches/800000000000000a"), []byte("transactions"))
		set([]byte("/single/checkpoint"), []byte{8, 4})
		set([]byte("/evm/execmeta/\x00\x00\x00\x00\x00\x00/\xff"), []byte("execution")) // as path.Clean leaves it
		set([]byte("/evm/last-pruned-execmeta-height"), []byte{0, 0, 0, 0, 0, 0, 0, 9})
	}
}

// MakeBlock makes a block that follows the header of the given hash.
func MakeBlock(random *rand.Rand, first, height uint64, bytes int, lastHash []byte) Block {
	var block Block
	data := Bytes(nil, 1, append(Bytes(nil, 1, []byte("chain")), Varint(nil, 2, height)...))
	commitment := sha256.New()
	commitment.Write([]byte{0})
	for left := bytes; left > 0; {
		tx := make([]byte, min(left, 1+random.IntN(2*bytes)))
		for at := range tx {
			tx[at] = byte(random.Uint32())
		}
		left -= len(tx)
		field := Bytes(nil, 2, tx)
		commitment.Write(field)
		data = append(data, field...)
	}
	block.Data = data
	header := Bytes(nil, 1, Varint(nil, 1, 11))
	header = Varint(header, 2, height)
	header = Varint(header, 3, 1_700_000_000_000_000_000+height)
	if height > first {
		header = Bytes(header, 4, lastHash)
	}
	header = Bytes(header, 6, commitment.Sum(nil))
	header = Bytes(header, 8, []byte("application"))
	header = Bytes(header, 10, []byte("proposer of twenty b"))
	header = Bytes(header, 12, []byte("chain"))
	block.Hash = sha256.Sum256(header)
	block.Signature = make([]byte, 64)
	binary.LittleEndian.PutUint64(block.Signature, random.Uint64())
	block.Header = Bytes(Bytes(nil, 1, header), 2, block.Signature)
	block.State = State(first, height, block.Hash[:])
	return block
}

// State makes the state behind a height.
func State(first, height uint64, lastHash []byte) []byte {
	state := Bytes(Bytes(nil, 1, Varint(nil, 1, 11)), 2, []byte("chain"))
	if first > 0 {
		state = Varint(state, 3, first)
	}
	if height > 0 {
		state = Varint(state, 4, height)
	}
	return Bytes(state, 9, lastHash)
}

// U64 is a number as a node stores it.
func U64(number uint64) []byte { return binary.LittleEndian.AppendUint64(nil, number) }

// Varint appends a protobuf field that is a number.
func Varint(to []byte, field int, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(to, uint64(field)<<3), value)
}

// Bytes appends a protobuf field that has a length.
func Bytes(to []byte, field int, value []byte) []byte {
	to = binary.AppendUvarint(to, uint64(field)<<3|2)
	return append(binary.AppendUvarint(to, uint64(len(value))), value...)
}

// Dump reads all keys and values of a closed directory.
func Dump(t testing.TB, dir string) map[string]string {
	t.Helper()
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithReadOnly(true))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	all := map[string]string{}
	err = db.View(func(txn *badger.Txn) error {
		iterator := txn.NewIterator(badger.DefaultIteratorOptions)
		defer iterator.Close()
		for iterator.Rewind(); iterator.Valid(); iterator.Next() {
			value, err := iterator.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			all[string(iterator.Item().Key())] = string(value)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// IndexKey is the key of the hash index that leads to the block with a stored header.
func IndexKey(layout evnode.Layout, header string) string {
	hash := sha256.Sum256([]byte(header))
	return string(layout.IndexKey(hash[:]))
}
