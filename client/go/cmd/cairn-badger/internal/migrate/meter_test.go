package migrate

import (
	"strings"
	"testing"
)

func TestMeter(t *testing.T) {
	var text strings.Builder
	meter := &Meter{To: &text}
	meter.Begin("heights", 10)
	meter.Resume(4)
	meter.Reached(5)
	meter.Reached(11) // more than was foreseen
	meter.End(12)
	lines := strings.Split(text.String(), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], "heights: 5 of 10 (50 %), ") || !strings.HasSuffix(lines[0], " left") ||
		!strings.HasPrefix(lines[1], "heights: 11, ") || !strings.HasPrefix(lines[2], "heights: 12 in ") {
		t.Errorf("%q", lines)
	}
	var silent *Meter
	silent.Begin("", 0)
	silent.Resume(1)
	silent.Reached(2)
	silent.End(3)
}
