package cairnexpvar_test

import (
	"context"
	"encoding/json"
	"expvar"
	"testing"

	"cairn.invalid/client/go/cairn"
	"cairn.invalid/client/go/cairn/cairnexpvar"
	"cairn.invalid/client/go/cairn/cairntest"
)

func TestStatsArePublished(t *testing.T) {
	client, err := cairn.Open(context.Background(), cairn.Options{Socket: cairntest.Start(t).Socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	cairnexpvar.Publish("cairn", client)
	if err := client.Chain("default").Set(nil, "x", nil); err != nil {
		t.Fatal(err)
	}
	var published struct {
		Connected bool
		Requests  uint64
		DaemonRun uint64
	}
	if err := json.Unmarshal([]byte(expvar.Get("cairn").String()), &published); err != nil {
		t.Fatal(err)
	}
	if !published.Connected || published.Requests != 1 || published.DaemonRun != 1 {
		t.Fatalf("%+v", published)
	}
}
