// Package bench measures the Go client beside what a node has without it: Badger in its own process, as ev-node uses it, and beside the
// least that a request to another process costs, a bare Go echo over a Unix socket. `make bench-go` runs it by rounds, in which the
// sides take turns, and compares the sides by benchstat.
package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"

	"cairn.invalid/client/go/bench/badgernode"
	"cairn.invalid/client/go/cairn"
)

const (
	goroutines = 64
	setters    = 4
	hotNames   = 64
	blockBytes = 20000
	listed     = 10000
)

var (
	background = context.Background()
	value8     = []byte("8 bytes.")
	names      = func() (names []string) {
		for i := range hotNames {
			names = append(names, fmt.Sprintf("/0/m/name-%d", i))
		}
		return names
	}()
)

// run measures one operation, by one goroutine or by so many.
func run(b *testing.B, goroutines int, operate func(i int) error) {
	b.Helper()
	b.ReportAllocs()
	if goroutines == 1 {
		for i := 0; b.Loop(); i++ {
			if err := operate(i); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	var last atomic.Int64
	b.SetParallelism((goroutines + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(each *testing.PB) {
		for each.Next() {
			if err := operate(int(last.Add(1))); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func each(b *testing.B, sides map[string]func(b *testing.B)) {
	for _, name := range []string{"badger", "echo", "cairn", "cairnds"} {
		if side, found := sides[name]; found {
			b.Run("side="+name, side)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	for _, count := range []int{1, goroutines} {
		b.Run(fmt.Sprintf("goroutines=%d", count), func(b *testing.B) {
			sides := map[string]func(b *testing.B){
				"badger": func(b *testing.B) {
					db := startBadger(b, places()[0], false)
					if err := badgerPut(db, names[0], value8); err != nil {
						b.Fatal(err)
					}
					run(b, count, func(int) error { _, err := badgerGet(db, names[0]); return err })
				},
				"cairn": func(b *testing.B) {
					d := startCairn(b, places()[0])
					if err := d.chain.Set(background, names[0], value8); err != nil {
						b.Fatal(err)
					}
					run(b, count, func(int) error { _, err := d.chain.Get(background, names[0]); return err })
				},
			}
			if count == 1 {
				sides["echo"] = func(b *testing.B) {
					echo := startEcho(b)
					run(b, 1, func(int) error { return echo() })
				}
			}
			each(b, sides)
		})
	}
}

// BenchmarkPutAccepted: Badger does not sync, as a node runs it.
func BenchmarkPutAccepted(b *testing.B) {
	for _, count := range []int{1, goroutines} {
		b.Run(fmt.Sprintf("goroutines=%d", count), func(b *testing.B) {
			sides := map[string]func(b *testing.B){
				"badger": func(b *testing.B) {
					db := startBadger(b, places()[0], false)
					run(b, count, func(i int) error { return badgerPut(db, names[i%hotNames], value8) })
				},
				"cairn": func(b *testing.B) {
					d := startCairn(b, places()[0])
					run(b, count, func(i int) error { return d.chain.Set(background, names[i%hotNames], value8) })
				},
			}
			if count == 1 {
				sides["echo"] = func(b *testing.B) {
					echo := startEcho(b)
					run(b, 1, func(int) error { return echo() })
				}
			}
			each(b, sides)
		})
	}
}

func BenchmarkPutDurable(b *testing.B) {
	for _, p := range places() {
		b.Run(fmt.Sprintf("place=%s/goroutines=%d", p.name, goroutines), func(b *testing.B) {
			each(b, map[string]func(b *testing.B){
				"badger": func(b *testing.B) {
					db := startBadger(b, p, true)
					run(b, goroutines, func(i int) error { return badgerPut(db, names[i%hotNames], value8) })
				},
				"cairn": func(b *testing.B) {
					d := startCairn(b, p)
					run(b, goroutines, func(i int) error {
						_, err := d.chain.Write(background, []cairn.Operation{cairn.Set(names[i%hotNames], value8)}, cairn.LevelDurable)
						return err
					})
				},
			})
		})
	}
}

// latencies are of a benchmark's operations; its 99th percentile is reported beside the mean.
type latencies struct {
	mutex sync.Mutex
	all   []time.Duration
}

func (l *latencies) time(operate func() error) error {
	began := time.Now()
	err := operate()
	took := time.Since(began)
	l.mutex.Lock()
	l.all = append(l.all, took)
	l.mutex.Unlock()
	return err
}

func (l *latencies) report(b *testing.B) {
	slices.Sort(l.all)
	b.ReportMetric(float64(l.all[(len(l.all)-1)*99/100].Microseconds()), "p99-µs")
}

// block is what a node stores for a block that it has made: its parts, the state behind it, the height.
type block struct {
	header, data, signature, state []byte
}

func newBlock() block {
	return block{make([]byte, 500), make([]byte, blockBytes), make([]byte, 64), make([]byte, 134)}
}

// headerOf is the block's header at a height: its hash is its own.
func (k block) headerOf(height uint64) []byte {
	header := slices.Clone(k.header)
	copy(header, fmt.Sprint(height))
	return header
}

// commit is a block as one commit of the chain: its parts, its state and its height are what the daemon knows them as.
func (k block) commit(d *daemon, height uint64) error {
	_, err := d.chain.Commit(background, &cairn.CommitRequest{
		Blocks: []cairn.Block{{Height: height, Header: k.headerOf(height), Data: k.data, Signature: k.signature}},
		States: []cairn.State{{Height: height, Value: k.state}},
		RiseTo: height,
	})
	return err
}

// batch is a block as a batch of six keys, as ev-node's own store gives it to a datastore.
func (k block) batch(d *daemon, height uint64) error {
	batch, err := d.store.Batch(background)
	if err != nil {
		return err
	}
	header, number := k.headerOf(height), binary.LittleEndian.AppendUint64(nil, height)
	hash := sha256.Sum256(header)
	for key, value := range map[string][]byte{
		fmt.Sprintf("/0/h/%d", height): header, fmt.Sprintf("/0/d/%d", height): k.data, fmt.Sprintf("/0/c/%d", height): k.signature,
		fmt.Sprintf("/0/s/%d", height): k.state, fmt.Sprintf("/0/i/%x", hash): number, "/0/t": number,
	} {
		if err := batch.Put(background, ds.RawKey(key), value); err != nil {
			return err
		}
	}
	return batch.Commit(background)
}

func blockSides(p place, count int, isBeside bool) map[string]func(b *testing.B) {
	cairnSide := func(commit func(k block, d *daemon, height uint64) error) func(b *testing.B) {
		return func(b *testing.B) {
			d, made, height := startCairn(b, p), newBlock(), atomic.Uint64{}
			defer beside(isBeside, func(i int) { d.chain.Set(background, names[i%hotNames], value8) })()
			took := latencies{}
			run(b, count, func(int) error {
				return took.time(func() error { return commit(made, d, height.Add(1)) })
			})
			took.report(b)
			b.ReportMetric(residentMB(d.process), "store-MB")
		}
	}
	return map[string]func(b *testing.B){
		"badger": func(b *testing.B) {
			debug.FreeOSMemory() // what earlier rows left
			before := residentMB(os.Getpid())
			db := startBadger(b, p, true)
			queue, committers := badgernode.NewQueue(db), make(chan *badgernode.Committer, count)
			b.Cleanup(queue.Close)
			for range count {
				committers <- badgernode.NewCommitter(db, blockBytes)
			}
			defer beside(isBeside, func(i int) { queue.Set(names[i%hotNames], value8) })()
			took := latencies{}
			run(b, count, func(int) error {
				committer := <-committers
				err := took.time(func() error { committer.Commit(); return nil })
				committers <- committer
				return err
			})
			took.report(b)
			b.ReportMetric(residentMB(os.Getpid())-before, "store-MB")
		},
		"cairn":   cairnSide(block.commit),
		"cairnds": cairnSide(block.batch),
	}
}

// beside sets metadata from so many goroutines, as fast as they can, until what it returns is called.
func beside(isBeside bool, set func(i int)) func() {
	if !isBeside {
		return func() {}
	}
	var stop atomic.Bool
	var group sync.WaitGroup
	for i := range setters {
		group.Go(func() {
			for i := i; !stop.Load(); i++ {
				set(i)
			}
		})
	}
	return func() { stop.Store(true); group.Wait() }
}

func BenchmarkBlock(b *testing.B) {
	for _, p := range places() {
		for _, count := range []int{1, goroutines} {
			b.Run(fmt.Sprintf("place=%s/goroutines=%d", p.name, count), func(b *testing.B) { each(b, blockSides(p, count, false)) })
		}
	}
}

// BenchmarkBlockBesideMetadata is a node at work: a block, beside four goroutines that set metadata as fast as they can.
func BenchmarkBlockBesideMetadata(b *testing.B) {
	for _, p := range places() {
		b.Run("place="+p.name, func(b *testing.B) { each(b, blockSides(p, 1, true)) })
	}
}

func BenchmarkQuery(b *testing.B) {
	for _, kind := range []struct {
		name       string
		valueBytes int
		isKeysOnly bool
	}{{"whole", 100, false}, {"keys", blockBytes, true}} {
		value := make([]byte, kind.valueBytes)
		count := func(b *testing.B, query func() (int, error)) {
			run(b, 1, func(int) error {
				found, err := query()
				if err == nil && found != listed {
					err = fmt.Errorf("%d entries of %d", found, listed)
				}
				return err
			})
			b.ReportMetric(float64(listed)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		}
		b.Run(kind.name, func(b *testing.B) {
			each(b, map[string]func(b *testing.B){
				"badger": func(b *testing.B) {
					db := startBadger(b, places()[0], false)
					batch := db.NewWriteBatch()
					for i := range listed {
						if err := batch.Set(fmt.Appendf(nil, "/q/%08d", i), value); err != nil {
							b.Fatal(err)
						}
					}
					if err := batch.Flush(); err != nil {
						b.Fatal(err)
					}
					count(b, func() (int, error) { return badgerList(db, kind.isKeysOnly) })
				},
				"cairn": func(b *testing.B) {
					d := startCairn(b, places()[0])
					for i := 0; i < listed; {
						var operations []cairn.Operation
						for ; len(operations) < 1000; i++ {
							operations = append(operations, cairn.Set(fmt.Sprintf("/q/%08d", i), value))
						}
						if _, err := d.chain.Commit(background, &cairn.CommitRequest{Metadata: operations}); err != nil {
							b.Fatal(err)
						}
					}
					count(b, func() (found int, err error) {
						results, err := d.store.Query(background, query.Query{Prefix: "/q", KeysOnly: kind.isKeysOnly})
						if err != nil {
							return 0, err
						}
						defer results.Close()
						for {
							result, ok := results.NextSync()
							if !ok {
								return found, nil
							}
							if result.Error != nil {
								return found, result.Error
							}
							found++
						}
					})
				},
			})
		})
	}
}

func badgerList(db *badger.DB, isKeysOnly bool) (found int, err error) {
	err = db.View(func(txn *badger.Txn) error {
		options := badger.DefaultIteratorOptions
		options.PrefetchValues, options.Prefix = !isKeysOnly, []byte("/q/")
		iterator := txn.NewIterator(options)
		defer iterator.Close()
		for iterator.Rewind(); iterator.Valid(); iterator.Next() {
			item := iterator.Item()
			item.KeyCopy(nil)
			if !isKeysOnly {
				if _, err := item.ValueCopy(nil); err != nil {
					return err
				}
			}
			found++
		}
		return nil
	})
	return found, err
}
