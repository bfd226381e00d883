package cairnstore

import (
	"math"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// cache keeps what was read of a chain, the least recently used first to go, up to a bound in bytes. It may answer only while nobody but
// its owner writes to the chain, which the owner asks before each call and says by a generation: what one generation left is gone in the next.
//
// A read and a write of one key that are under way at the same time may take effect in either order, so:
//   - A write removes its key when it begins, and until it has ended no read that begins may keep what it finds.
//   - A read gets a ticket when it begins. A write that begins takes the ticket away, and the read keeps nothing.
//   - A write whose result is unknown may still take effect later: its key is never kept again.
//   - A sweep is a write of all keys.
type cache[K comparable, V any] struct {
	bytesMax int

	mu         sync.Mutex
	generation uint64
	entries    *simplelru.LRU[K, entry[V]]
	bytes      int           // of all entries
	tickets    map[K]*ticket // of the last read under way that may keep what it finds
	writes     map[K]int     // writes under way, or of unknown result
	sweeps     int           // likewise
}

type entry[V any] struct {
	value V
	bytes int
}

// ticket is compared by its address.
type ticket struct{ _ byte }

func newCache[K comparable, V any](bytesMax int) *cache[K, V] {
	c := &cache[K, V]{bytesMax: bytesMax, writes: map[K]int{}}
	c.clear()
	return c
}

// lookup returns the value of a key if it is here, else a ticket for keep, or nil if what the caller reads must not be kept.
func (c *cache[K, V]) lookup(generation uint64, key K) (value V, isHere bool, t *ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.generation != generation {
		c.clear()
		c.generation = generation
	}
	if e, ok := c.entries.Get(key); ok {
		return e.value, true, nil
	}
	if c.sweeps > 0 || c.writes[key] > 0 {
		return value, false, nil
	}
	t = new(ticket)
	c.tickets[key] = t
	return value, false, t
}

// keep takes what a read with that ticket found, if the ticket still counts.
func (c *cache[K, V]) keep(t *ticket, key K, value V, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.returnTicket(t, key) || bytes > c.bytesMax {
		return
	}
	c.entries.Add(key, entry[V]{value, bytes})
	for c.bytes += bytes; c.bytes > c.bytesMax; {
		_, oldest, _ := c.entries.RemoveOldest()
		c.bytes -= oldest.bytes
	}
}

// drop gives a ticket back unused.
func (c *cache[K, V]) drop(t *ticket, key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returnTicket(t, key)
}

// returnTicket says whether the ticket still counted.
func (c *cache[K, V]) returnTicket(t *ticket, key K) bool {
	if t == nil || c.tickets[key] != t {
		return false
	}
	delete(c.tickets, key)
	return true
}

// beginWrite is called before the keys are written. Each is given to endWrite once.
func (c *cache[K, V]) beginWrite(keys ...K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		c.writes[key]++
		delete(c.tickets, key)
		if e, ok := c.entries.Peek(key); ok {
			c.bytes -= e.bytes
			c.entries.Remove(key)
		}
	}
}

// endWrite is called when the write has ended, and told whether it may still take effect.
func (c *cache[K, V]) endWrite(mayHappen bool, keys ...K) {
	if mayHappen {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if c.writes[key]--; c.writes[key] == 0 {
			delete(c.writes, key)
		}
	}
}

// beginSweep is called before a write of any number of keys.
func (c *cache[K, V]) beginSweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweeps++
	c.clear()
}

// endSweep is called when that write has ended, and told whether it may still take effect.
func (c *cache[K, V]) endSweep(mayHappen bool) {
	if mayHappen {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweeps--
}

// empty forgets all that is here, and takes the tickets away.
func (c *cache[K, V]) empty() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries.Len() > 0 || len(c.tickets) > 0 {
		c.clear()
	}
}

func (c *cache[K, V]) clear() {
	c.entries, _ = simplelru.NewLRU[K, entry[V]](math.MaxInt, nil) // fails only for a size of 0; bytesMax is the bound
	c.tickets = map[K]*ticket{}
	c.bytes = 0
}
