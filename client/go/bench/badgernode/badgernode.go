// Package badgernode is what a node has without cairn: Badger in its own process, used as ev-node's store uses it. A failure panics, as
// it ends the measurement.
package badgernode

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/rand"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/dgraph-io/badger/v4"
)

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const (
	prefix         = "/0" // of all that is the node's own
	headerBytes    = 500
	signatureBytes = 64
	stateBytes     = 134     // as recorded, see client/tool/bench_evnode.c
	poolBytes      = 4 << 20 // a block's parts begin anywhere in it, so that no block's are another's
	queueLength    = 8192
	queueWindow    = 100 * time.Microsecond
)

// Open opens a directory with the options of ev-node's pkg/store/badger_options.go; the others are Badger's own. What go-ds-badger4 does every 15 minutes to
// collect garbage comes in no measurement of ours.
func Open(directory string, isSynced bool) *badger.DB {
	db, err := badger.Open(badger.DefaultOptions(directory).
		WithSyncWrites(isSynced). // ev-node leaves it false
		WithIndexCacheSize(256 << 20).
		WithDetectConflicts(false).
		WithNumLevelZeroTables(10).
		WithNumLevelZeroTablesStall(20).
		WithNumCompactors(min(max(runtime.NumCPU(), 4), 8)).
		WithLoggingLevel(badger.WARNING))
	must(err)
	return db
}

// Committer stores what ev-node's executor stores for a block that it has made: one write batch of the block's keys, the height, and the state
// behind it. Header and data are encoded, and so copied, for each.
type Committer struct {
	db   *badger.DB
	size int
	pool []byte
}

func NewCommitter(db *badger.DB, size int) *Committer {
	c := &Committer{db, size, make([]byte, poolBytes+max(size, headerBytes))}
	rand.New(rand.NewSource(1)).Read(c.pool)
	return c
}

// The store's height, which a batch that is to raise it reads every time.
func (c *Committer) height() (height uint64) {
	must(c.db.View(func(txn *badger.Txn) error {
		item, err := txn.Get([]byte(prefix + "/t"))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		must(err)
		return item.Value(func(value []byte) error {
			height = binary.LittleEndian.Uint64(value)
			return nil
		})
	}))
	return height
}

func (c *Committer) Commit() {
	batch := c.db.NewWriteBatch()
	height := c.height() + 1
	number := binary.LittleEndian.AppendUint64(nil, height)
	decimal := strconv.FormatUint(height, 10)
	random := c.pool[height*4099%poolBytes:]
	header := slices.Concat(number, random[len(number):headerBytes])
	hash := sha256.Sum256(header)
	put := func(key string, value []byte) { must(batch.Set([]byte(prefix+key), value)) }
	put("/h/"+decimal, header)
	put("/d/"+decimal, slices.Clone(random[:c.size]))
	put("/c/"+decimal, random[:signatureBytes])
	put("/i/"+hex.EncodeToString(hash[:]), number)
	put("/t", number)
	put("/s/"+decimal, random[:stateBytes])
	must(batch.Flush())
}

// Queue is metadata on its way to the store, modelled after the asynchronous writes of ev-node's pkg/store/cached_store.go (PR #3298): who
// sets a name waits only while the queue is full; one goroutine takes what comes within the window after the first, and writes
// the last value of each name, all in one write batch. There a batch that fails is lost; here it ends the measurement.
type Queue struct {
	db      *badger.DB
	closing sync.RWMutex
	pending chan setting
	done    chan struct{}
}

type setting struct {
	name  string
	value []byte
}

func NewQueue(db *badger.DB) *Queue {
	q := &Queue{db: db, pending: make(chan setting, queueLength), done: make(chan struct{})}
	go q.run()
	return q
}

func (q *Queue) Set(name string, value []byte) {
	q.closing.RLock()
	defer q.closing.RUnlock()
	q.pending <- setting{name, slices.Clone(value)}
}

func (q *Queue) Close() {
	q.closing.Lock()
	close(q.pending)
	q.closing.Unlock()
	<-q.done
}

func (q *Queue) run() {
	for first := range q.pending {
		q.write(q.gather(first))
	}
	close(q.done)
}

func (q *Queue) gather(first setting) []setting {
	gathered := []setting{first}
	timer := time.NewTimer(queueWindow)
	defer timer.Stop()
	for {
		select {
		case next, isOpen := <-q.pending:
			if !isOpen {
				return gathered
			}
			gathered = append(gathered, next)
		case <-timer.C:
			return gathered
		}
	}
}

func (q *Queue) write(gathered []setting) {
	last := make(map[string][]byte, len(gathered))
	for _, s := range gathered {
		last[s.name] = s.value
	}
	batch := q.db.NewWriteBatch()
	for name, value := range last {
		must(batch.Set([]byte(prefix+"/m/"+name), value))
	}
	must(batch.Flush())
}
