package cairntest

import "testing"

func TestADaemonRunsEndsAndRunsAgain(t *testing.T) {
	d := Start(t)
	first := d.PID()
	d.Kill()
	if d.PID() != 0 || connects(d.Socket) {
		t.Fatal("it runs still")
	}
	d.Restart()
	if d.PID() == 0 || d.PID() == first || !connects(d.Socket) {
		t.Fatal("it does not run again")
	}
	d.Stop()
	copied := d.CopyData()
	copied.Restart()
	if !connects(copied.Socket) {
		t.Fatal("the copy does not run")
	}
}
