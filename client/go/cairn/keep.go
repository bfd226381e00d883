package cairn

import "sync"

// What was answered at level accepted is lost with the daemon unless it is sent again. The keep holds it.
//
//   - The reader adds a write when it is answered, under the number that the run gave it, in order.
//   - Each reply says up to which number all is written: up to there the keep lets go.
//   - When a later run answers, the supervisor takes what that run did not find on disk, and sends it again. Until that is accepted the
//     keep counts it.
//   - The keep remembers when the last write was sent that is known to be on disk: the daemon accepts metadata in the order in which it
//     was sent, so that all that was sent before is there, too, answered or not.
//
// Buffers change owner instead of being copied: the keep takes the call's frame and gives it one that it let go.
type keep struct {
	mu      sync.Mutex
	through uint64 // of the run
	written uint64 // the greatest stamp of a write that is known to be on disk
	ring    []keptWrite
	head    int
	count   int
	bytes   int

	lost, lostBytes int // of what the supervisor took and no run has accepted again
}

type keptWrite struct {
	number   uint64
	stamp    uint64 // when it was sent first
	frame    []byte
	accepted bool // of what the supervisor took: again, so that the keep has it or it is written
}

// startRun forgets what an earlier run had written.
func (k *keep) startRun() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.through = 0
}

func (k *keep) at(i int) *keptWrite { return &k.ring[(k.head+i)%len(k.ring)] }

// add keeps a write, and returns a buffer in exchange for its frame; nil if it has none.
func (k *keep) add(number, stamp uint64, frame []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.addLocked(number, stamp, frame)
}

// addAgain keeps a write that the supervisor took and that is accepted again.
func (k *keep) addAgain(number uint64, w *keptWrite) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.addLocked(number, w.stamp, append([]byte(nil), w.frame...))
	k.counted(w)
}

// giveUp counts a write no more that the supervisor took and that is refused.
func (k *keep) giveUp(w *keptWrite) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.counted(w)
}

// counted takes a write off what is lost. Under the lock.
func (k *keep) counted(w *keptWrite) {
	if !w.accepted {
		w.accepted = true
		k.lost--
		k.lostBytes -= cap(w.frame)
	}
}

func (k *keep) addLocked(number, stamp uint64, frame []byte) []byte {
	if number <= k.through {
		k.written = max(k.written, stamp)
		return frame
	}
	if k.count == len(k.ring) {
		ring := make([]keptWrite, max(64, 2*len(k.ring)))
		for i := range k.count {
			ring[i] = *k.at(i)
		}
		k.ring, k.head = ring, 0
	}
	k.count++
	spare := k.at(k.count - 1).frame
	at := k.count - 1
	for ; at > 0 && k.at(at-1).number > number; at-- {
		*k.at(at) = *k.at(at - 1)
	}
	*k.at(at) = keptWrite{number: number, stamp: stamp, frame: frame}
	k.bytes += cap(frame)
	return spare
}

// writtenThrough lets go of all up to a number.
func (k *keep) writtenThrough(number uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number <= k.through {
		return
	}
	k.through = number
	for k.count > 0 && k.ring[k.head].number <= number {
		k.pop()
	}
}

func (k *keep) pop() {
	w := &k.ring[k.head]
	k.written = max(k.written, w.stamp)
	k.bytes -= cap(w.frame)
	if cap(w.frame) > frameBufferBytesMax {
		w.frame = nil
	}
	k.head = (k.head + 1) % len(k.ring)
	k.count--
}

// notKept notes a write that is answered when it is on disk.
func (k *keep) notKept(number, stamp uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if number <= k.through {
		k.written = max(k.written, stamp)
	}
}

// writtenUntil returns the greatest stamp of a write of metadata that is known to be on disk.
func (k *keep) writtenUntil() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.written
}

// takeLost takes all that a later run did not find on disk, in order, and lets go of the rest.
func (k *keep) takeLost(onDisk uint64) []keptWrite {
	k.mu.Lock()
	defer k.mu.Unlock()
	var lost []keptWrite
	for k.count > 0 {
		w := &k.ring[k.head]
		if w.number > onDisk {
			lost = append(lost, *w)
			k.bytes -= cap(w.frame)
			k.lost++
			k.lostBytes += cap(w.frame)
			w.frame = nil
			k.head = (k.head + 1) % len(k.ring)
			k.count--
			continue
		}
		k.pop()
	}
	return lost
}

// size tells of what is not known to be written, lost or not.
func (k *keep) size() (writes, bytes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.count + k.lost, k.bytes + k.lostBytes
}
