module cairn.invalid/client/go/cairn

go 1.24
