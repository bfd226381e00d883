package cairnstore

import (
	"crypto/sha256"
	"reflect"
	"testing"

	"github.com/evstack/ev-node/pkg/store"
)

func TestPlaceOf(t *testing.T) {
	hash := sha256.Sum256([]byte("header"))
	for key, want := range map[string]place{
		store.GetHeaderKey(7):           {kind: keyHeader, height: 7},
		store.GetDataKey(7):             {kind: keyData, height: 7},
		store.GetSignatureKey(1 << 63):  {kind: keySignature, height: 1 << 63},
		"/s/0":                          {kind: keyState},
		"/s/12":                         {kind: keyState, height: 12},
		"/t":                            {kind: keyHeight},
		store.GetIndexKey(hash[:]):      {kind: keyIndex, hash: hash[:]},
		"/m/d":                          {kind: keyMetadata, name: "m/d"},
		"/m":                            {kind: keyMetadata, name: "m"},
		"/m/rhb/12/h":                   {kind: keyMetadata, name: "m/rhb/12/h", height: 12},
		"/m/rhb/12":                     {kind: keyMetadata, name: "m/rhb/12"},
		"/m/rhb/0/h":                    {kind: keyMetadata, name: "m/rhb/0/h"}, // blocks begin at 1
		"/m/rhb/012/h":                  {kind: keyMetadata, name: "m/rhb/012/h"},
		"/m/rhbx/12/h":                  {kind: keyMetadata, name: "m/rhbx/12/h"},
		"/m/rhb/18446744073709551616/h": {kind: keyMetadata, name: "m/rhb/18446744073709551616/h"},
		"/h/0":                          {name: "/0/h/0"},
		"/h/07":                         {name: "/0/h/07"},
		"/h/+7":                         {name: "/0/h/+7"},
		"/h/7/x":                        {name: "/0/h/7/x"},
		"/h":                            {name: "/0/h"},
		"/h/":                           {name: "/0/h/"},
		"/x/7":                          {name: "/0/x/7"},
		"/i/ab":                         {name: "/0/i/ab"}, // ev-node writes upper case
		"/i/":                           {name: "/0/i/"},
		"/mx":                           {name: "/0/mx"},
		"/t/1":                          {name: "/0/t/1"},
		"/":                             {name: "/0/"},
	} {
		if got := placeOf(key); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is at %+v, want %+v", key, got, want)
		}
	}
}

func TestMetadataOf(t *testing.T) {
	for key, want := range map[string]string{
		"d":                                    "m/d",
		"":                                     "m",
		"a//b/":                                "m/a/b",
		"key 1":                                "m/key 1",
		store.GetHeightToDAHeightHeaderKey(42): "m/rhb/42/h",
		"x/../y":                               "m/y",
	} {
		at, err := metadataOf(key)
		if err != nil || at.name != want || at.kind != keyMetadata {
			t.Errorf("%q is at %+v, %v; want %q", key, at, err, want)
		}
	}
	for _, key := range []string{"../h/1", "..", "../mx"} {
		if at, err := metadataOf(key); err == nil {
			t.Errorf("%q is at %+v", key, at)
		}
	}
}
