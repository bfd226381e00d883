package migrate

import (
	"fmt"
	"io"
	"time"
)

// Meter tells how far a piece of work is, how fast it goes and how long it will still take. A nil one is silent.
type Meter struct {
	To       io.Writer
	Interval time.Duration // between two lines

	what        string
	total       uint64
	base, done  uint64 // where the work began, and where it is
	begun, told time.Time
}

// Begin starts a piece of work; total is 0 if it is not known.
func (m *Meter) Begin(what string, total uint64) {
	if m == nil {
		return
	}
	now := time.Now()
	m.what, m.total, m.base, m.done, m.begun, m.told = what, total, 0, 0, now, now
}

// Resume says that the work begins behind what was done before; it counts for the rest, and not for the speed.
func (m *Meter) Resume(done uint64) {
	if m != nil {
		m.base, m.done = done, done
	}
}

// Reached says how much is done, and prints a line if the last one is old enough.
func (m *Meter) Reached(done uint64) {
	if m == nil {
		return
	}
	m.done = done
	if now := time.Now(); now.Sub(m.told) >= m.Interval {
		m.told = now
		fmt.Fprintln(m.To, m.line(now))
	}
}

// End prints the last line of a piece of work.
func (m *Meter) End(done uint64) {
	if m == nil {
		return
	}
	m.done = done
	took := time.Since(m.begun)
	fmt.Fprintf(m.To, "%s: %d in %s, %.0f/s\n", m.what, done, took.Round(time.Millisecond), float64(done-m.base)/max(took.Seconds(), 1e-6))
}

func (m *Meter) line(now time.Time) string {
	rate := float64(m.done-m.base) / max(now.Sub(m.begun).Seconds(), 1e-6)
	if m.total == 0 || m.done > m.total {
		return fmt.Sprintf("%s: %d, %.0f/s", m.what, m.done, rate)
	}
	left := "unknown"
	if rate > 0 {
		left = time.Duration(float64(m.total-m.done) / rate * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%s: %d of %d (%d %%), %.0f/s, %s left", m.what, m.done, m.total, m.done*100/m.total, rate, left)
}
