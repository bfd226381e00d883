package cairnstore

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// newTestCache is a cache that holds ten entries of 100 bytes.
func newTestCache() *cache[string, int] { return newCache[string, int](1000) }

func read(t *testing.T, c *cache[string, int], key string) *ticket {
	t.Helper()
	_, isHere, ticket := c.lookup(1, key)
	if isHere {
		t.Fatalf("%s is in the cache", key)
	}
	return ticket
}

func wantKept(t *testing.T, c *cache[string, int], key string, want int) {
	t.Helper()
	if value, isHere, _ := c.lookup(1, key); !isHere || value != want {
		t.Fatalf("%s is %d, %v; want %d", key, value, isHere, want)
	}
}

func TestCacheKeepsWhatIsRead(t *testing.T) {
	c := newTestCache()
	c.keep(read(t, c, "a"), "a", 7, 100)
	wantKept(t, c, "a", 7)
	if _, isHere, _ := c.lookup(2, "a"); isHere {
		t.Fatal("an entry of an earlier generation is there")
	}
}

func TestCacheIsBoundedInBytes(t *testing.T) {
	c := newTestCache()
	for i := range 20 {
		key := fmt.Sprint(i)
		c.keep(read(t, c, key), key, i, 100)
		wantKept(t, c, "0", 0) // the one that is used stays
	}
	if c.entries.Len() != 10 || c.bytes != 1000 {
		t.Fatalf("%d entries, %d bytes", c.entries.Len(), c.bytes)
	}
	c.keep(read(t, c, "large"), "large", 1, 1001)
	read(t, c, "large")
	if c.entries.Len() != 10 {
		t.Fatal("an entry too large for the cache took the place of others")
	}
	c.beginWrite("0", "19", "none")
	if c.entries.Len() != 8 || c.bytes != 800 {
		t.Fatalf("%d entries, %d bytes", c.entries.Len(), c.bytes)
	}
}

// A read and a write of one key that overlap in any way leave nothing in the cache.
func TestCacheReadsBesideWrites(t *testing.T) {
	for name, write := range map[string]struct{ begin, end func(*cache[string, int]) }{
		"key": {
			func(c *cache[string, int]) { c.beginWrite("a") },
			func(c *cache[string, int]) { c.endWrite(false, "a") },
		},
		"sweep": {
			func(c *cache[string, int]) { c.beginSweep() },
			func(c *cache[string, int]) { c.endSweep(false) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestCache()
			before := read(t, c, "a")
			write.begin(c)
			c.keep(before, "a", 1, 100)
			during := read(t, c, "a")
			c.keep(during, "a", 1, 100)
			read(t, c, "a")
			write.begin(c) // a second writer
			write.end(c)
			c.keep(read(t, c, "a"), "a", 1, 100)
			read(t, c, "a")
			write.end(c)
			c.keep(before, "a", 1, 100)
			c.keep(during, "a", 1, 100)
			after := read(t, c, "a")
			c.keep(after, "a", 2, 100)
			wantKept(t, c, "a", 2)
		})
	}
}

func TestCacheAfterWriteOfUnknownResult(t *testing.T) {
	c := newTestCache()
	c.beginWrite("a", "b")
	c.endWrite(true, "a", "b")
	c.keep(read(t, c, "a"), "a", 1, 100)
	read(t, c, "a")
	c.keep(read(t, c, "c"), "c", 1, 100)
	wantKept(t, c, "c", 1)
	c.beginSweep()
	c.endSweep(true)
	c.keep(read(t, c, "c"), "c", 1, 100)
	read(t, c, "c")
}

func TestCacheTickets(t *testing.T) {
	c := newTestCache()
	first, second := read(t, c, "a"), read(t, c, "a")
	c.keep(first, "a", 1, 100) // the second reader has the ticket now
	read(t, c, "a")
	c.drop(second, "a")
	c.keep(read(t, c, "a"), "a", 2, 100)
	wantKept(t, c, "a", 2)
	third := read(t, c, "b")
	c.empty()
	c.keep(third, "b", 1, 100)
	read(t, c, "b")
	if len(c.tickets) != 1 || len(c.writes) != 0 {
		t.Fatalf("%d tickets, %d writes are left", len(c.tickets), len(c.writes))
	}
}

// Readers and writers of a few keys beside each other: a reader that begins behind the end of a write never gets an older value.
func TestCacheNeverOld(t *testing.T) {
	const keys, rounds = 4, 20000
	c := newTestCache()
	var stored, done [keys]atomic.Int64 // what a key holds; what the last write that has ended wrote
	var group sync.WaitGroup
	for k := range keys {
		key := fmt.Sprint(k)
		group.Go(func() {
			for i := range int64(rounds) {
				c.beginWrite(key)
				stored[k].Store(i)
				c.endWrite(false, key)
				done[k].Store(i)
			}
		})
	}
	for range 4 {
		group.Go(func() {
			for range rounds {
				k := rand.IntN(keys)
				key := fmt.Sprint(k)
				least := done[k].Load()
				value, isHere, ticket := c.lookup(1, key)
				if !isHere {
					value = int(stored[k].Load())
					c.keep(ticket, key, value, 100)
				}
				if int64(value) < least {
					t.Errorf("%d after the write of %d", value, least)
				}
			}
		})
	}
	group.Wait()
}
