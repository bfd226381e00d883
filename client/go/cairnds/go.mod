module cairn.invalid/client/go/cairnds

go 1.25.8

require (
	cairn.invalid/client/go/cairn v0.0.0
	github.com/ipfs/go-datastore v0.9.2
	github.com/ipfs/go-detect-race v0.0.1
)

require github.com/google/uuid v1.6.0 // indirect

replace cairn.invalid/client/go/cairn => ../cairn
