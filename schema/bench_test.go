package schema_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tocsin/schema"
)

func BenchmarkParse(b *testing.B) {
	v := newValidator(b)
	for _, typeName := range []string{"process.down", "server.stopped", "stack.redeploy.ok"} {
		e := sample(b, typeName)
		body, err := e.Structured()
		require.NoError(b, err)
		for mode, m := range map[string]schema.Message{
			"structured": {Subject: schema.EventSubject(typeName), Body: body},
			"binary":     {Subject: schema.EventSubject(typeName), Header: e.Header(), Body: e.Data},
		} {
			b.Run(typeName+"/"+mode, func(b *testing.B) {
				b.SetBytes(int64(len(m.Body)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Parse(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkHeader(b *testing.B) {
	e := sample(b, "stack.redeploy.ok")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.ReadEvent(e.Header(), e.Data); err != nil {
			b.Fatal(err)
		}
	}
}
