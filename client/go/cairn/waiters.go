package cairn

import (
	"slices"
	"sync"
)

// waiters are calls that wait to be sent. The mutex of what they wait for guards them.
type waiters []*call

func (q *waiters) add(cl *call) { *q = append(*q, cl) }

// wake lets all of them look again.
func (q *waiters) wake() {
	for _, cl := range *q {
		cl.wake()
	}
	*q = nil
}

// wakeFirst lets the one look again that has waited longest.
func (q *waiters) wakeFirst() {
	if len(*q) > 0 {
		(*q)[0].wake()
		*q = (*q)[1:]
	}
}

// wait waits until the call, which was added, is woken, or its context ends: then it is none of them any more. Not under the mutex.
func (q *waiters) wait(mu *sync.Mutex, w waiting, cl *call) error {
	if w.done == nil {
		<-cl.ready
		return nil
	}
	select {
	case <-cl.ready:
		return nil
	case <-w.done:
	}
	mu.Lock()
	i := slices.Index(*q, cl)
	if i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
	mu.Unlock()
	if i < 0 { // it is being woken
		<-cl.ready
		return nil
	}
	return w.ctx.Err()
}
