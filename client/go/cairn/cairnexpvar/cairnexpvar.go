// Package cairnexpvar publishes what a cairn client did, as JSON under /debug/vars. It is a package of its own since expvar
// registers itself with net/http.
package cairnexpvar

import (
	"expvar"

	"cairn.invalid/client/go/cairn"
)

// Publish publishes the client's [cairn.Stats] and what its daemon told of itself, under a name that must not be taken (expvar
// panics otherwise). They are asked for when they are read, also after the client was closed.
func Publish(name string, client *cairn.Client) {
	expvar.Publish(name, expvar.Func(func() any {
		daemon := client.Daemon()
		return struct {
			cairn.Stats
			DaemonVersion string
			DaemonRun     uint64
		}{client.Stats(), daemon.Version, daemon.Run}
	}))
}
