// What a node has today: Badger in its own process, used as ev-node's store uses it. Prints lines of CSV as tests/bench/side does:
// one of the commits; with --threads one of the metadata that so many goroutines set beside them, as fast as they can.
//
//	badger [--level written|durable] [--size BYTES] [--threads N] [--duration SECONDS] [--warmup SECONDS] DIRECTORY
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"cairn.invalid/client/go/bench/badgernode"
)

const (
	hotNames   = 64
	valueBytes = 64
)

// What one goroutine measures: what it began after the warm-up, until the end, one operation at least.
type measure struct {
	from, to     time.Time
	began, ended time.Time
	latencies    []time.Duration
}

func (m *measure) run(operate func(i int)) {
	now := time.Now()
	for i := 0; m.ended.IsZero(); i++ {
		before := now
		operate(i)
		now = time.Now()
		if before.Before(m.from) {
			continue
		}
		if m.began.IsZero() {
			m.began = before
		}
		m.latencies = append(m.latencies, now.Sub(before))
		if !now.Before(m.to) {
			m.ended = now
		}
	}
}

func printLine(workload string, measures []*measure) {
	seconds, rate, all := 0.0, 0.0, []time.Duration{}
	for _, m := range measures {
		took := m.ended.Sub(m.began).Seconds()
		seconds, rate, all = max(seconds, took), rate+float64(len(m.latencies))/took, append(all, m.latencies...)
	}
	slices.Sort(all)
	fmt.Printf("%s,%d,1,0,%.6f,%d,%d,0,%.3f", workload, len(measures), seconds, len(all), len(all), rate)
	for _, part := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		fmt.Printf(",%.3f", float64(all[int(part*float64(len(all)-1))].Nanoseconds())/1e3)
	}
	fmt.Println()
}

func setMetadata(queue *badgernode.Queue, first int, m *measure) {
	names, value := make([]string, hotNames), make([]byte, valueBytes)
	for i := range names {
		names[i] = "name-" + strconv.Itoa(i)
	}
	m.run(func(i int) { queue.Set(names[(first+i)%hotNames], value) })
}

func main() {
	level := flag.String("level", "durable", "durable: each batch is synced; written: none is, as in ev-node")
	size := flag.Int("size", 20000, "bytes of a block's data")
	threads := flag.Int("threads", 0, "goroutines that set metadata")
	duration := flag.Float64("duration", 10, "seconds that count")
	warmup := flag.Float64("warmup", 1, "seconds before them")
	flag.Parse()
	if flag.NArg() != 1 || (*level != "durable" && *level != "written") || *size < 1 || *threads < 0 {
		flag.Usage()
		os.Exit(2)
	}
	db := badgernode.Open(flag.Arg(0), *level == "durable")
	committer, queue := badgernode.NewCommitter(db, *size), badgernode.NewQueue(db)
	from := time.Now().Add(time.Duration(*warmup * 1e9))
	newMeasure := func() *measure { return &measure{from: from, to: from.Add(time.Duration(*duration * 1e9))} }

	blocks, metadata := newMeasure(), make([]*measure, *threads)
	var setters sync.WaitGroup
	for i := range metadata {
		metadata[i] = newMeasure()
		setters.Add(1)
		go func() {
			defer setters.Done()
			setMetadata(queue, i*hotNames / *threads, metadata[i])
		}()
	}
	blocks.run(func(int) { committer.Commit() })
	setters.Wait()
	queue.Close()
	if err := db.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "badger:", err)
		os.Exit(1)
	}

	fmt.Println("workload,clients,depth,rate_asked,seconds,requests,operations,failed,rate,p50_us,p90_us,p99_us,p999_us,max_us")
	printLine(fmt.Sprintf("badger;commit;size=%d;level=%s", *size, *level), []*measure{blocks})
	if *threads > 0 {
		printLine(fmt.Sprintf("badger;metadata;names=%d;size=%d", hotNames, valueBytes), metadata)
	}
}
